"""A program that prints the reason codes of what disturbed a window, over the boards of the simulated NVML."""

DISTURBED = """
    import json, time
    from joulemark.meter import open_meter
    from joulemark.sensors import Setup
    from joulemark.sensors.conditions import conditions, disturbances
    setup = Setup(requests=("nvml",))
    with open_meter(setup) as meter:
        before = conditions(setup)
        window = meter.begin()
        time.sleep(0.25)
        measurement = window.end()
        print(json.dumps(disturbances(before, conditions(setup), measurement)))
"""
