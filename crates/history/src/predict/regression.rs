//! Straight lines through weighted points.

/// A line fitted by least squares, with the spread of the points around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) intercept: f64,
    pub(crate) slope: f64,
    /// The standard deviation of the residuals.
    pub(crate) deviation: f64,
}

impl Line {
    /// The line through points `(x, y, weight)`. With fewer than two different `x` it is level.
    pub(crate) fn through(points: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Self {
        let (mut sum, mut sx, mut sy) = (0.0, 0.0, 0.0);
        for (x, y, weight) in points.clone() {
            sum += weight;
            sx += weight * x;
            sy += weight * y;
        }
        if sum <= 0.0 {
            return Self {
                intercept: 0.0,
                slope: 0.0,
                deviation: 0.0,
            };
        }
        let (mx, my) = (sx / sum, sy / sum);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        let mut count = 0.0;
        for (x, y, weight) in points {
            xx += weight * (x - mx) * (x - mx);
            xy += weight * (x - mx) * (y - my);
            yy += weight * (y - my) * (y - my);
            count += 1.0;
        }
        // Inputs that differ by less than rounding say nothing about a slope.
        let slope = if xx > 1e-12 * sum * mx.abs().max(1e-9).powi(2) {
            xy / xx
        } else {
            0.0
        };
        let residual = (yy - slope * xy).max(0.0) / sum;
        let freedom = f64::max(count - 2.0, 1.0);
        Self {
            intercept: my - slope * mx,
            slope,
            deviation: (residual * count / freedom).sqrt(),
        }
    }

    /// The line's height at `x`.
    pub(crate) fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let points = (0..20).map(|n| (f64::from(n), 3.0 + 2.0 * f64::from(n), 1.0));
        let line = Line::through(points);
        assert!((line.at(100.0) - 203.0).abs() < 1e-9);
        assert!(line.deviation < 1e-6);
    }

    #[test]
    fn the_same_input_always_gives_a_level_line() {
        let line = Line::through([(7.0, 1.0, 1.0), (7.0, 3.0, 1.0)].into_iter());
        assert_eq!(line.slope, 0.0);
        assert_eq!(line.at(1e9), 2.0);
        assert!(line.deviation > 0.9);
    }

    #[test]
    fn no_points_no_line() {
        assert_eq!(Line::through(std::iter::empty()).at(5.0), 0.0);
    }
}
