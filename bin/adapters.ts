// The adapters that come built in.
import graphql from '../adapters/graphql/index.ts'
import mqtt from '../adapters/mqtt/index.ts'
import rest from '../adapters/rest/index.ts'
import soap from '../adapters/soap/index.ts'
import webservice from '../adapters/webservice/index.ts'
import wechat from '../adapters/wechat/index.ts'
import type { Adapter } from '../core/api.ts'
import webhook from '../core/agents/webhook.ts'

export const builtIn: readonly Adapter[] = [rest, soap, webservice, graphql, wechat, mqtt, webhook]
