-- An operator has looked: the server's clock is right, and this partition's goes on to it (SEMANTICS 25). It never goes back.
draining()
NOW = math.max(NOW, WALL)
keep_time()
return true
