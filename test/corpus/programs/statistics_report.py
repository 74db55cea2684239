"""Statistics of measurements: means, spread, correlation, regression, distributions, fractions."""
# args: {"data": [2.5, 3.1, 2.5, 4.75, 9.0, 1.25, 3.3, 2.5, 7.125]}
import statistics as st
from decimal import Decimal
from fractions import Fraction


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    data = args["data"]
    normal = st.NormalDist.from_samples(data)
    other = st.NormalDist(2, 1.5)
    thirds = [Fraction(1, 3), Fraction(1, 6), Fraction(5, 7)]
    return {
        "means": [st.mean(data), st.fmean(data, range(1, 10)), st.geometric_mean(data), st.harmonic_mean(data), st.harmonic_mean([40, 60], weights=[5, 30]), st.median(data), st.median_low(data[:8]), st.median_high(data[:8]), st.median_grouped(data, 0.5), st.mode(data), st.multimode("aabbc")],
        "spread": [st.stdev(data), st.pstdev(data), st.variance(data), st.pvariance(data, mu=4), st.quantiles(data, n=10), st.quantiles(data, n=4, method="inclusive")], "exact": [str(st.mean(thirds)), str(st.variance(thirds)), str(st.mean([Decimal("0.1"), Decimal("0.2")])), str(st.stdev([Decimal(1), Decimal(4)])), str(st.mean([True, False, True])), str(st.mean([1, 2.5, Fraction(1, 2)]))],
        "pairs": [st.covariance(data, data[::-1]), st.correlation(data, sorted(data)), st.correlation(data, sorted(data), method="ranked"), list(st.linear_regression(range(9), data)), list(st.linear_regression([1, 2], [2, 4], proportional=True))], "normal": [normal.mean, normal.stdev, normal.cdf(3), normal.pdf(3), normal.inv_cdf(0.95), normal.zscore(5), normal.overlap(other), repr(normal + other), repr(other * 2), normal.quantiles(4), other.samples(2, seed=1)],
        "kde": [st.kde(data, h=1.0)(2.0), st.kde(data, h=0.5, kernel="triangular", cumulative=True)(3.0)], "errors": [attempt(st.mean, []), attempt(st.stdev, [1]), attempt(st.mode, []), attempt(st.mean, ["a"]), attempt(st.quantiles, [1]), attempt(st.geometric_mean, [-1]), attempt(st.NormalDist, 0, -1), attempt(st.correlation, [1, 1], [2, 3]), attempt(normal.inv_cdf, 1), attempt(st.median, [1, "a"])],
        "fractions": [str(Fraction("0.125") + Fraction(1, 3)), str(Fraction(3, -6)), Fraction(7, 2).__round__(), float(Fraction(1, 7)), str(Fraction(1, 3) ** -2), attempt(Fraction, 1, 0), attempt(Fraction, "1/x"), str(Fraction.from_float(0.1)), str(divmod(Fraction(7, 2), Fraction(2, 3))), f"{Fraction(1, 3):.5f}", f"{Fraction(10, 4)}", Fraction(1, 2) == 0.5, Fraction(3, 2).as_integer_ratio(), hash(Fraction(1, 2)) == hash(0.5)],
    }
