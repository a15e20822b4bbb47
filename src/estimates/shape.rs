//! Criterion's files, field by field, so that an error names the field and not only the line.

use std::path::Path;

use serde_json::Value;

use super::files::{BENCHMARK, ESTIMATES, SAMPLE, Texts};
use super::{Error, Estimate, Estimates, Mode, Sample, Throughput};

/// `benchmark.json`
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) function: Option<String>,
    pub(super) value: Option<String>,
    pub(super) throughput: Option<Throughput>,
}

/// Of the benchmark whose files lie in `directory`.
pub(super) fn identity(directory: &Path, texts: &Texts) -> Result<Identity, Error> {
    let path = directory.join(BENCHMARK);
    let json = parse(&path, &texts.benchmark)?;
    let root = Node::root(&path, &json);
    let text = |name| match root.optional(name)? {
        Some(node) => node.text().map(Some),
        None => Ok(None),
    };
    Ok(Identity {
        id: root.field("full_id")?.text()?,
        group: root.field("group_id")?.text()?,
        function: text("function_id")?,
        value: text("value_str")?,
        throughput: match root.optional("throughput")? {
            Some(node) => Some(node.word("one of Criterion's throughputs")?),
            None => None,
        },
    })
}

/// `estimates.json`
pub(super) fn estimates(directory: &Path, texts: &Texts) -> Result<Estimates, Error> {
    let path = directory.join(ESTIMATES);
    let json = parse(&path, &texts.estimates)?;
    let root = Node::root(&path, &json);
    let of = |name| estimate(&root.field(name)?);
    Ok(Estimates {
        mean: of("mean")?,
        median: of("median")?,
        std_dev: of("std_dev")?,
        median_abs_dev: of("median_abs_dev")?,
        slope: match root.optional("slope")? {
            Some(node) => Some(estimate(&node)?),
            None => None,
        },
    })
}

fn estimate(node: &Node<'_>) -> Result<Estimate, Error> {
    let interval = node.field("confidence_interval")?;
    Ok(Estimate {
        value: node.field("point_estimate")?.number()?,
        low: interval.field("lower_bound")?.number()?,
        high: interval.field("upper_bound")?.number()?,
        confidence: interval.field("confidence_level")?.number()?,
        standard_error: node.field("standard_error")?.number()?,
    })
}

/// `sample.json`: at least one sample.
pub(super) fn samples(directory: &Path, texts: &Texts) -> Result<(Mode, Vec<Sample>), Error> {
    let path = directory.join(SAMPLE);
    let json = parse(&path, &texts.sample)?;
    let root = Node::root(&path, &json);
    let mode = root.field("sampling_mode")?.word("`Flat` or `Linear`")?;
    let iterations = root.field("iters")?.list()?;
    let times = root.field("times")?;
    let totals = times.list()?;
    if iterations.is_empty() || iterations.len() != totals.len() {
        let found = format!("of {} for {} `iters`", totals.len(), iterations.len());
        return Err(times.wrong(found, "as many as `iters`, and one at least"));
    }
    let sample = |(iterations, total): (&Node<'_>, &Node<'_>)| {
        Ok(Sample {
            iterations: iterations.count()?,
            total: total.number()?,
        })
    };
    let samples: Result<_, Error> = iterations.iter().zip(&totals).map(sample).collect();
    Ok((mode, samples?))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|cause| Error::Json {
        path: path.to_owned(),
        cause,
    })
}

/// A value, and where it stands.
struct Node<'a> {
    path: &'a Path,
    field: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    fn root(path: &'a Path, value: &'a Value) -> Self {
        Node {
            path,
            field: String::new(),
            value,
        }
    }

    fn inner(&self, name: &str, value: &'a Value) -> Self {
        let field = match self.field.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        Node {
            path: self.path,
            field,
            value,
        }
    }

    fn field(&self, name: &str) -> Result<Self, Error> {
        match self.value.get(name) {
            Some(value) => Ok(self.inner(name, value)),
            None => Err(self
                .inner(name, self.value)
                .wrong("missing".into(), "there")),
        }
    }

    /// `None` where it is null or absent: Criterion reads both alike.
    fn optional(&self, name: &str) -> Result<Option<Self>, Error> {
        match self.value {
            Value::Object(map) => Ok(map
                .get(name)
                .filter(|value| !value.is_null())
                .map(|value| self.inner(name, value))),
            _ => self.field(name).map(Some),
        }
    }

    fn text(&self) -> Result<String, Error> {
        let text = self.value.as_str().map(str::to_owned);
        text.ok_or_else(|| self.wrong(self.shown(), "text"))
    }

    fn number(&self) -> Result<f64, Error> {
        // What is no number, or has no end, Criterion writes as null.
        let number = self.value.as_f64();
        number.ok_or_else(|| self.wrong(self.shown(), "a number"))
    }

    /// A whole number, which Criterion writes with a fraction of 0.
    fn count(&self) -> Result<u64, Error> {
        const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
        match self.number()? {
            number if number.fract() == 0.0 && (1.0..=EXACT).contains(&number) => Ok(number as u64),
            _ => Err(self.wrong(self.shown(), "a whole number from 1")),
        }
    }

    fn list(&self) -> Result<Vec<Self>, Error> {
        match self.value {
            Value::Array(values) => Ok(values
                .iter()
                .enumerate()
                .map(|(index, value)| self.inner(&index.to_string(), value))
                .collect()),
            _ => Err(self.wrong(self.shown(), "a list")),
        }
    }

    /// What serde knows how to read.
    fn word<T: serde::Deserialize<'a>>(&self, expected: &'static str) -> Result<T, Error> {
        T::deserialize(self.value).map_err(|_| self.wrong(self.shown(), expected))
    }

    /// The value, cut short.
    fn shown(&self) -> String {
        let text = self.value.to_string();
        match text.char_indices().nth(40) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }

    fn wrong(&self, found: String, expected: &'static str) -> Error {
        Error::Shape {
            path: self.path.to_owned(),
            field: self.field.clone(),
            found,
            expected,
        }
    }
}
