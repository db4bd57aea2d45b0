"""HTTP stand-ins of the venues for tests and local runs: they trade, and they fail on request.

An exchange is a pure state machine (`Exchange`): a request, a moment and perhaps a fault in, an
answer out. `ExchangeServer` asks its `Faults` before each request and does to it what the fault
says. Two ways in, and the same faults on both:

    server = ExchangeServer(exchange, clock=clock, faults=faults)
    httpx.AsyncClient(transport=ExchangeTransport(server))  # in process, for any host
    uvicorn.Config(server, lifespan="off")  # over a socket

`faults.py` says what can go wrong, `exchange.py` what a venue has to bring along.
"""
