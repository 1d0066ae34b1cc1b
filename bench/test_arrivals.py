"""What is read from a site's record. Run with `python3 -m unittest discover bench`."""

import unittest

from arrivals import in_flight


class Arrivals(unittest.TestCase):
    def test_a_full_pipe_is_seen_as_full_and_its_rate_is_limit_by_latency(self):
        # Five at a time, each for 100 ms, the next at once.
        seen = in_flight([(round_ * 100 + lane * 20, round_ * 100 + lane * 20 + 100) for round_ in range(200) for lane in range(5)])
        self.assertEqual((seen.mean, seen.low, seen.most), (5, 5, 5))
        self.assertAlmostEqual(seen.rate, 50, delta=0.1)

    def test_a_pause_between_two_requests_lowers_the_mean(self):
        seen = in_flight([(n * 125, n * 125 + 100) for n in range(400)])
        self.assertAlmostEqual(seen.mean, 0.8, delta=0.001)
        self.assertEqual((seen.low, seen.most), (0, 1))


if __name__ == "__main__":
    unittest.main()
