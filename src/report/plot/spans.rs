//! Phases and cycles along the axis of time.

use std::ops::Range;

use plotters::style::text_anchor::{HPos, VPos};

use super::axes::GAP;
use super::canvas::{Drawn, Frame, PIXEL, Pen, text_width};
use super::markup::shortened;
use super::ticks;
use crate::report::timeline::Span;

/// How many tones tell phases apart.
const TONES: usize = 5;
/// How high the band is.
pub(super) const BAND: i32 = 18 * PIXEL;
/// The phases that take less than this of the whole time are not in the key.
const SEEN: f64 = 0.004;

/// The names of those phases that can be seen, in the order of their first.
pub(super) fn seen(spans: &[Span], to_ns: f64) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for span in spans {
        let long = (span.to_ns - span.from_ns) as f64 >= to_ns * SEEN;
        if long && names.len() < 100 && !names.contains(&span.phase.as_str()) {
            names.push(&span.phase);
        }
    }
    names
}

/// The class of a phase; those that cannot be seen well have the last tone.
pub(super) fn tone(names: &[&str], phase: &str) -> String {
    let index = names.iter().position(|name| *name == phase);
    format!("tone{}", index.unwrap_or(TONES - 1) % TONES)
}

/// The band of phases, from `y` on, with names where there is room.
pub(super) fn phases(
    pen: &mut Pen<'_>,
    frame: &Frame,
    plane: &Drawn<'_>,
    spans: &[Span],
    names: &[&str],
    y: i32,
) {
    caption(pen, frame, "phase", y);
    let mut free = frame.left;
    for span in spans {
        let across = across(plane, span.from_ns, span.to_ns);
        if across.end - across.start < PIXEL / 2 {
            continue;
        }
        let class = tone(names, &span.phase);
        pen.rectangle(
            &class,
            [(across.start, y), (across.end, y + BAND - 2 * PIXEL)],
        );
        let room = across.end - across.start.max(free) - PIXEL;
        let middle = (across.start + across.end) / 2;
        if text_width(&span.phase) <= room && middle > free {
            let at = (middle, y + BAND / 2 - PIXEL);
            pen.text("", &span.phase, at, HPos::Center, VPos::Center);
            free = across.end;
        } else if room > text_width("abcdefgh") {
            let most = usize::try_from(room / text_width("a")).unwrap_or(0);
            let at = (middle, y + BAND / 2 - PIXEL);
            let name = shortened(&span.phase, most);
            pen.text("", &name, at, HPos::Center, VPos::Center);
            free = across.end;
        }
    }
}

/// Where each cycle begins and ends.
pub(super) fn cycles(spans: &[Span]) -> Vec<(u32, Range<u64>)> {
    let mut cycles: Vec<(u32, Range<u64>)> = Vec::new();
    for span in spans {
        let Some(cycle) = span.cycle else { continue };
        match cycles.last_mut() {
            Some((last, range)) if *last == cycle => range.end = span.to_ns,
            _ => cycles.push((cycle, span.from_ns..span.to_ns)),
        }
    }
    cycles
}

/// The numbers of cycles, in the row that begins at `y`, as many of them as there is room for.
pub(super) fn numbers(
    pen: &mut Pen<'_>,
    frame: &Frame,
    plane: &Drawn<'_>,
    cycles: &[(u32, Range<u64>)],
    y: i32,
) {
    caption(pen, frame, "cycle", y);
    let every = every(plane, cycles);
    let mut free = frame.left;
    for (cycle, range) in cycles.iter().filter(|(cycle, _)| cycle % every == 0) {
        let across = across(plane, range.start, range.end);
        let begin = vec![
            (across.start, frame.bottom),
            (across.start, y + BAND - 2 * PIXEL),
        ];
        pen.line("cycle", begin);
        let text = cycle.to_string();
        let middle = (across.start + across.end) / 2;
        let half = text_width(&text) / 2;
        if middle - half >= free && middle + half <= frame.right + GAP {
            let at = (middle, y + BAND / 2 - PIXEL);
            pen.text("", &text, at, HPos::Center, VPos::Center);
            free = middle + half + PIXEL;
        }
    }
}

/// Each how manieth cycle has room for its number.
fn every(plane: &Drawn<'_>, cycles: &[(u32, Range<u64>)]) -> u32 {
    let (Some((first, from)), Some((last, to))) =
        (cycles.iter().find(|(cycle, _)| *cycle > 0), cycles.last())
    else {
        return 1;
    };
    let across = across(plane, from.start, to.end);
    let room = f64::from(across.end - across.start) / f64::from((last.abs_diff(*first)) + 1);
    let needed = f64::from(text_width(&last.to_string()) + 2 * PIXEL);
    ticks::coarse_step(needed / room.max(1e-6), 1).clamp(1.0, 1e9) as u32
}

fn caption(pen: &mut Pen<'_>, frame: &Frame, word: &str, y: i32) {
    let at = (frame.left - GAP, y + BAND / 2 - PIXEL);
    pen.text("", word, at, HPos::Right, VPos::Center);
}

fn across(plane: &Drawn<'_>, from_ns: u64, to_ns: u64) -> Range<i32> {
    plane.at(from_ns as f64 / 1e9, 0.0).0..plane.at(to_ns as f64 / 1e9, 0.0).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(phase: &str, cycle: Option<u32>, from_ns: u64, to_ns: u64) -> Span {
        Span {
            phase: phase.into(),
            cycle,
            from_ns,
            to_ns,
        }
    }

    #[test]
    fn a_cycle_is_as_long_as_its_phases() {
        let spans = [
            span("open", None, 0, 5),
            span("fill", Some(0), 5, 50),
            span("backup", Some(1), 50, 60),
            span("dump", Some(1), 61, 90),
            span("backup", Some(2), 90, 91),
        ];
        assert_eq!(cycles(&spans), [(0, 5..50), (1, 50..90), (2, 90..91)]);
    }

    #[test]
    fn phases_that_take_no_time_are_not_in_the_key() {
        let spans = [
            span("open", None, 0, 1),
            span("fill", None, 1, 900),
            span("dump", None, 900, 1000),
            span("fill", None, 1000, 2000),
        ];
        let names = seen(&spans, 2000.0);
        assert_eq!(names, ["fill", "dump"]);
        assert_eq!(tone(&names, "dump"), "tone1");
        assert_eq!(tone(&names, "open"), "tone4");
    }
}
