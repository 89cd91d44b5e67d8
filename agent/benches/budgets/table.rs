//! What was measured, beside what it may be at most or must be at least.

/// Lines of a table, printed at the end as well as when they are known.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<String>,
}

impl Table {
    /// A value with an upper bound.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, bound: f64, unit: &str) {
        self.add(what, value, unit, &format!("at most {bound} {unit}"), value <= bound);
    }

    /// A value with a lower bound.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, bound: f64, unit: &str) {
        self.add(what, value, unit, &format!("at least {bound} {unit}"), value >= bound);
    }

    /// A value without a bound.
    pub(crate) fn plain(&mut self, what: &str, value: f64, unit: &str) {
        self.line(format!("{what:<66} {:>9} {unit}", number(value)));
    }

    /// What could not be measured.
    pub(crate) fn not_run(&mut self, what: &str, why: &str) {
        self.line(format!("{what:<66} NOT RUN: {why}"));
    }

    fn add(&mut self, what: &str, value: f64, unit: &str, bound: &str, met: bool) {
        let verdict = if met { "met" } else { "MISSED" };
        self.line(format!("{what:<66} {:>9} {unit:<4} {bound:<18} {verdict}", number(value)));
    }

    fn line(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    pub(crate) fn print(&self) {
        println!("\n{}", self.lines.join("\n"));
    }
}

/// Three significant digits, or as many as a large number has.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
