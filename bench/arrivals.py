"""How many requests were in flight at a site, from the site's own record of who came when."""

from dataclasses import dataclass

# What of a crawl is looked at, as parts of all its requests: neither its start, when few URLs are known, nor its end.
FROM, TO = 0.1, 0.9


@dataclass
class InFlight:
    """In the time that is looked at: the mean, what it was below for a twentieth of the time, the most, and answers a second."""

    mean: float
    low: int
    most: int
    rate: float


def in_flight(arrivals):
    """What the record shows: pairs of the milliseconds when a request came and when its answer had been written."""
    begins = sorted(begin for begin, _ in arrivals)
    first, last = begins[int(len(begins) * FROM)], begins[int(len(begins) * TO)]
    # Of one moment the ends come first: an answer makes room for the next request.
    changes = sorted([(begin, 1) for begin, _ in arrivals] + [(end, -1) for _, end in arrivals])
    lasted, now, since = {}, 0, changes[0][0]
    for at, change in changes:
        seen = min(at, last) - max(since, first)
        if seen > 0:
            lasted[now] = lasted.get(now, 0) + seen
        now, since = now + change, at
    span = last - first
    below, low = 0, 0
    for low in sorted(lasted):
        below += lasted[low]
        if below > span / 20:
            break
    answered = sum(first <= end < last for _, end in arrivals)
    return InFlight(sum(n * time for n, time in lasted.items()) / span, low, max(lasted), answered / span * 1000)
