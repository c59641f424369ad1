// Documents in the shape SAP systems send them, written for these tests.

/** An order with two items, one of them returned; a date that is none. */
export function orders05(docnum: string, mandt = '800'): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<ORDERS05>
  <IDOC BEGIN="1">
    <EDI_DC40 SEGMENT="1">
      <TABNAM>EDI_DC40</TABNAM><MANDT>${mandt}</MANDT><DOCNUM>${docnum}</DOCNUM><DOCREL>740</DOCREL><STATUS>30</STATUS>
      <DIRECT>1</DIRECT><OUTMOD>2</OUTMOD><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP>
      <SNDPOR>SAPERP</SNDPOR><SNDPRT>LS</SNDPRT><SNDPRN>ERPCLNT800</SNDPRN>
      <RCVPOR>A000000001</RCVPOR><RCVPRT>LS</RCVPRT><RCVPRN>DESK</RCVPRN><CREDAT>20240229</CREDAT><CRETIM>235900</CRETIM>
    </EDI_DC40>
    <E1EDK01 SEGMENT="1"><CURCY>EUR</CURCY><BELNR>4500001234</BELNR></E1EDK01>
    <E1EDK03 SEGMENT="1"><IDDAT>012</IDDAT><DATUM>20240229</DATUM></E1EDK03>
    <E1EDK03 SEGMENT="1"><IDDAT>002</IDDAT><DATUM>00000000</DATUM></E1EDK03>
    <E1EDP01 SEGMENT="1">
      <POSEX>000010</POSEX><MENGE>10.000</MENGE>
      <E1EDP20 SEGMENT="1"><WMENG>4.000</WMENG></E1EDP20>
      <E1EDP20 SEGMENT="1"><WMENG>6.000</WMENG></E1EDP20>
      <E1EDP19 SEGMENT="1"><QUALF>001</QUALF><IDTNR>000000000000000042</IDTNR></E1EDP19>
    </E1EDP01>
    <E1EDP01 SEGMENT="1">
      <POSEX>000020</POSEX><MENGE>5.000-</MENGE>
      <E1EDP19 SEGMENT="1"><QUALF>001</QUALF><IDTNR>MAT-&lt;2&gt;</IDTNR></E1EDP19>
    </E1EDP01>
  </IDOC>
</ORDERS05>`
}

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'

/** A body, as a client that is not SAP writes it too. */
export function soap(body: string): string {
  return `<?xml version="1.0" encoding="utf-8"?><soapenv:Envelope xmlns:soapenv="${SOAP}" xmlns:urn="urn:sap-com:document:sap:rfc:functions"><soapenv:Header/><soapenv:Body>${body}</soapenv:Body></soapenv:Envelope>`
}

export function fault(detail: string, string: string): string {
  return soap(
    `<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring xml:lang="en">${string}</faultstring><detail>${detail}</detail></soapenv:Fault>`,
  )
}
