use super::super::samples::{MIB, kept, lines};
use super::*;
use crate::record::Line;

fn of_lines(name: &str, lines: &[Line]) -> Series {
    Series {
        name: name.into(),
        cycles: kept(lines),
    }
}

fn series(name: &str, rss: &[i64]) -> Series {
    of_lines(name, &lines(name, rss))
}

fn styled(series: &[Series], columns: Option<usize>) -> String {
    let mut out = Vec::new();
    write(&mut out, series, Layout { columns }).unwrap();
    String::from_utf8(out).unwrap()
}

fn text(series: &[Series], columns: Option<usize>) -> String {
    anstream::adapter::strip_str(&styled(series, columns)).to_string()
}

fn steps(cycles: i64, each: i64) -> Vec<i64> {
    (0..=cycles)
        .map(|cycle| 578 + each * cycle.min(4))
        .collect()
}

/// The seed's variants.
fn variants() -> Vec<Series> {
    vec![
        series("snapshot-memory", &steps(20, 524)),
        series("snapshot-file", &steps(20, 0)),
        series("snapshot-no-dump", &steps(20, 197)),
        series("snapshot-no-snapshot", &steps(20, 0)),
    ]
}

fn assert_fits(text: &str, columns: usize) {
    let wide = text.lines().find(|line| line.chars().count() > columns);
    assert_eq!(wide, None, "{columns}\n{text}");
}

#[test]
fn cycles_go_down_and_variants_across() {
    let text = text(&variants(), Some(80));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "RSS after each cycle, MiB");
    let names: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(names, ["cycle", "memory", "file", "no-dump", "no-snapshot"]);
    let cells = |row: usize| lines[row].split_whitespace().collect::<Vec<_>>();
    assert_eq!(cells(2), ["0", "578.0", "578.0", "578.0", "578.0"]);
    assert_eq!(cells(22), ["20", "2,674.0", "578.0", "1,366.0", "578.0"]);
    assert_eq!(cells(23), ["growth", "+2,096.0", "0.0", "+788.0", "0.0"]);
    assert_eq!(
        cells(24),
        ["peak", "3,198.0", "1,102.0", "1,890.0", "1,102.0"]
    );
    assert!(text.contains("sqlite live: 551.0 MiB after every cycle, to the byte"));
    assert!(text.contains("\nallocator retained, MiB\n"), "{text}");
    assert!(text.contains("open files: 4 after every cycle\n"), "{text}");
    let arenas = &text[text.find("\nglibc arenas\n").unwrap()..];
    let rows: Vec<Vec<&str>> = arenas
        .lines()
        .skip(3)
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["0", "1", "1", "1", "1"], "{arenas}");
    assert_eq!(rows[4], ["4–20", "5", "5", "5", "5"], "{arenas}");
    assert_eq!(rows[5], ["growth", "+4", "+4", "+4", "+4"], "{arenas}");
    assert_fits(&text, 80);
}

#[test]
fn a_step_up_stands_out_and_a_plateau_does_not() {
    let text = styled(&[series("s", &[578, 1102, 1103])], None);
    let warned = |cell: &str| text.contains(&format!("{WARN}{cell}{WARN:#}"));
    assert!(warned("1,102.0"), "{text}");
    assert!(!warned("1,103.0") && !warned("578.0"), "{text}");
    assert!(grew(100 * MIB, 111 * MIB) && !grew(100 * MIB, 110 * MIB));
    assert!(!grew(10 * MIB, 20 * MIB));
}

#[test]
fn a_narrow_terminal_gets_several_tables_and_no_line_that_is_wider() {
    for columns in [30, 40, 60, 80, 120, 200] {
        let text = text(&variants(), Some(columns));
        assert_fits(&text, columns);
        assert!(text.contains("no-snapshot"), "{text}");
    }
    let narrow = text(&variants(), Some(40));
    let rss = &narrow[..narrow.find("sqlite live").unwrap()];
    assert_eq!(rss.matches("cycle ").count(), 2, "{narrow}");
    assert_eq!(rss.matches("growth").count(), 2, "{narrow}");
}

#[test]
fn long_names_of_a_matrix_are_numbered_where_they_have_no_room() {
    let name = |n: usize| format!("snapshot-memory[workers={n},env.MALLOC_ARENA_MAX=1]");
    let many: Vec<Series> = (1..=9).map(|n| series(&name(n), &steps(3, 100))).collect();
    for columns in [80, 120] {
        let text = text(&many, Some(columns));
        assert_fits(&text, columns);
        assert!(
            text.contains("#9") && text.contains(&format!("#9 = {}", name(9))),
            "{text}"
        );
    }
    let wide = text(&many[..2], Some(120));
    assert!(
        wide.contains("RSS after each cycle of snapshot-memory, MiB"),
        "{wide}"
    );
    assert!(
        wide.contains("  workers=2,env.MALLOC_ARENA_MAX=1"),
        "{wide}"
    );
    assert!(!wide.contains('#'), "{wide}");
}

#[test]
fn a_cycle_that_was_stopped_is_marked_and_does_not_count() {
    let mut cut = lines("snapshot-memory", &[578, 1102, 5000]);
    cut.truncate(5);
    let both = [
        of_lines("snapshot-memory", &cut),
        series("snapshot-file", &[578, 579, 580]),
    ];
    let text = text(&both, Some(80));
    assert!(text.contains("5,000.0…"), "{text}");
    assert!(text.contains("…: stopped in this cycle"), "{text}");
    assert!(text.contains("+524.0"), "{text}");
    assert!(!text.contains("+4,422.0"), "{text}");
}

#[test]
fn numbers_of_cycles_may_differ_and_be_none() {
    let text_of = |all: &[Series]| text(all, Some(80));
    assert_eq!(text_of(&[]), "");
    assert_eq!(text_of(&[series("insert-10m", &[])]), "");
    let one = text_of(&[series("snapshot-memory", &[578])]);
    assert!(one.contains("0    578.0\n"), "{one}");
    assert!(one.contains("growth") && one.contains('-'), "{one}");
    let mixed = [
        series("insert-10m", &[]),
        series("snapshot-memory", &steps(3, 524)),
        series("snapshot-file", &steps(1, 0)),
    ];
    let mixed = text_of(&mixed);
    let rows: Vec<Vec<&str>> = mixed
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1], ["cycle", "memory", "file"]);
    assert_eq!(rows[4], ["2", "1,626.0", "-"]);
    assert_eq!(rows[6], ["growth", "+1,572.0", "0.0"]);
}

#[test]
fn many_cycles_are_thinned_out() {
    let text = text(&[series("s", &steps(3000, 1))], Some(80));
    let first: Vec<&str> = text
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    for cycle in ["0", "9", "1,000", "2,996", "3,000"] {
        assert!(first.contains(&cycle), "{cycle}\n{text}");
    }
    let rss = text.lines().take_while(|line| !line.is_empty()).count();
    assert!(rss < 50, "{text}");
    assert!(
        text.contains("cycles are not shown; cycles.csv has every one"),
        "{text}"
    );
    let cycles: Vec<u32> = (0..=100).collect();
    let thin = thinned(&cycles, 1);
    assert_eq!(thin.len(), 10 + 18 + 5);
    assert_eq!(thin[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15]);
    assert_eq!(thin[28..], [96, 97, 98, 99, 100]);
}

#[test]
fn what_is_nearly_constant_is_a_sentence() {
    let range = |least: i64, most: i64| (least * 1024, most * 1024);
    let live = Quantity::SqliteLive;
    assert!(live.is_constant(range(564_200, 564_224)));
    assert!(!live.is_constant(range(560_000, 564_224)));
    assert_eq!(
        sentence(live, range(564_200, 564_224)),
        "551.0 MiB after every cycle, to within 0.01 %"
    );
    assert_eq!(
        sentence(Quantity::OpenFiles, (15, 16)),
        "15 to 16 after every cycle"
    );
    let retained = range(100, 400);
    assert!(Quantity::Retained.is_constant(retained));
    assert_eq!(
        sentence(Quantity::Retained, retained),
        "100.0 KiB to 400.0 KiB after every cycle"
    );
}

#[test]
fn what_is_constant_in_each_variant_and_not_the_same_has_a_figure_for_each() {
    let mut other = lines("snapshot-file", &[578, 579]);
    for line in &mut other {
        if let Line::Phase(phase) = line {
            phase.open_files = 9;
        }
    }
    let both = [
        series("snapshot-memory", &[578, 579]),
        of_lines("snapshot-file", &other),
    ];
    let text = text(&both, Some(80));
    assert!(
        text.contains("open files after every cycle:\n  memory 4 · file 9\n"),
        "{text}"
    );
}
