//! What is data goes, what is not stays.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn assert_redacted(pairs: &[(&str, &str)]) {
    for (sql, expected) in pairs {
        assert_eq!(redact(sql), *expected, "{sql}");
        assert_eq!(redact(expected), *expected, "{sql}");
    }
}

#[test]
fn literals_become_question_marks() {
    assert_redacted(&[
        ("SELECT 'it''s', x'00ff', X'', ''", "SELECT ?, ?, ?, ?"),
        (
            "VALUES (1, -2.5e-3, .5, 0xFFff, 1_000, 1e9, 7.)",
            "VALUES (?, -?, ?, ?, ?, ?, ?)",
        ),
        ("LIMIT 10 OFFSET 20;", "LIMIT ? OFFSET ?;"),
        (
            "a=1 AND b IN('x','y')OR c>'z'||5",
            "a=? AND b IN(?,?)OR c>?||?",
        ),
        ("SELECT 1.5.3, 12abc, 1'a'2", "SELECT ??, ?, ???"),
        ("SELECT x'zz', x 'secret'", "SELECT ?, x ?"),
    ]);
}

#[test]
fn names_keywords_and_parameters_stay() {
    let unchanged = [
        "INSERT OR REPLACE INTO \"user\" VALUES (?, ?, ?)",
        "SELECT t1.c2, [a b 1], `it``s 2`, NULL, TRUE, false FROM main.\"my table 3\" AS u4",
        "UPDATE t SET a = ?1, b = :b2, c = @c_3, d = $d::e WHERE a -> b ->> c <> d",
        "SELECT \"t\".\"a\" FROM \"t\" JOIN \"u\"",
        "DROP TABLE IF EXISTS \"x\"",
        "SELECT größe2 FROM maße",
    ];
    for sql in unchanged {
        assert_eq!(redact(sql), sql);
    }
}

#[test]
fn a_text_in_double_quotes_stays_only_where_it_must_be_a_name() {
    assert_redacted(&[
        ("WHERE name = \"secret\"", "WHERE name = \"?\""),
        (
            "SELECT \"se\"\"cret\" FROM \"a\"\"b\"",
            "SELECT \"?\" FROM \"a\"\"b\"",
        ),
        (
            "a IS NOT DISTINCT FROM \"secret\"",
            "a IS NOT DISTINCT FROM \"?\"",
        ),
        ("VACUUM INTO \"/home/secret\"", "VACUUM INTO \"?\""),
        (
            "VACUUM main INTO \"/home/secret\"",
            "VACUUM main INTO \"?\"",
        ),
        (
            "INSERT INTO t VALUES (\"secret\")",
            "INSERT INTO t VALUES (\"?\")",
        ),
        ("x.y = \"secret\".5", "x.y = \"?\"?"),
    ]);
}

#[test]
fn comments_go_and_white_space_is_one_space() {
    assert_redacted(&[
        (
            "  SELECT -- bob's 42\n\t a /* secret ' */,b  ",
            "SELECT a ,b",
        ),
        ("a/**/b/***/c/*/ secret */d", "a b c d"),
        ("1--secret", "?"),
        ("- - a", "- - a"),
        ("\u{feff}SELECT\u{feff}1", "SELECT\u{feff}1"),
        ("\u{feff}42", "?"),
    ]);
}

#[test]
fn what_is_not_terminated_is_replaced_to_its_end() {
    assert_redacted(&[
        ("SELECT 'secret, a", "SELECT ?"),
        ("SELECT 'secret''", "SELECT ?"),
        ("SELECT x'00, a", "SELECT ?"),
        ("FROM \"secret, 42", "FROM \"?\""),
        ("FROM `secret", "FROM ?"),
        ("FROM [secret", "FROM ?"),
        ("a /* secret", "a"),
        ("a -- secret", "a"),
        ("a\0secret", "a"),
        ("a /*", "a /*"),
    ]);
}

#[test]
fn the_index_of_a_parameter_is_data() {
    assert_redacted(&[
        ("VALUES ($user(bob), $x(a b)", "VALUES ($user(?), $x(?) b)"),
        ("$a(b)(c), :p(it's)'x'", "$a(?)(c), :p(?)?"),
        ("SELECT : a, $ b", "SELECT : a, $ b"),
    ]);
}

/// A literal or a comment, each with the mark that may not survive.
fn secret() -> impl Strategy<Value = String> {
    let text = "[a-z '\"%;/*-]{0,6}";
    prop_oneof![
        text.prop_map(|text| format!("'{}7777{0}'", text.replace('\'', "''"))),
        Just("x'7777'".to_owned()),
        Just("7777".to_owned()),
        Just("0x7777ab".to_owned()),
        Just("7_777_7777.7777e+7777".to_owned()),
        Just(".7777E7777".to_owned()),
        "[a-z '\"]{0,6}".prop_map(|text| format!("/*{text}7777*/")),
        "[a-z '\"*]{0,6}".prop_map(|text| format!("--{text}7777\n")),
        text.prop_map(|text| format!("\"{}7777\"", text.replace('"', "\"\""))),
        Just("$p(7777)".to_owned()),
    ]
}

/// What stands between literals.
fn between() -> impl Strategy<Value = String> {
    const PARTS: [&str; 22] = [
        " ",
        ", ",
        "(",
        ")",
        " = ",
        "||",
        " AND ",
        " col2 ",
        "[b 1]",
        "`c`",
        " ?1 ",
        ":name ",
        " - ",
        "\n",
        ";",
        " FROM (",
        " DISTINCT FROM ",
        "+",
        "<>",
        "->>",
        "%",
        "\u{e9} ",
    ];
    proptest::collection::vec(proptest::sample::select(&PARTS[..]), 1..4)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_literal_survives_whatever_stands_beside_it(
        parts in proptest::collection::vec((between(), secret()), 1..8)
    ) {
        let sql: String = parts.iter().map(|(between, secret)| format!("{between}{secret}")).collect();
        let shown = redact(&sql);
        prop_assert!(!shown.contains("777"), "{sql:?} -> {shown:?}");
        prop_assert_eq!(redact(&shown), shown);
    }

    #[test]
    fn what_is_redacted_is_not_changed_by_redacting_it_again(
        sql in prop_oneof![
            any::<String>(),
            "[-a-fxX0-9'\"`\\[\\]./*:$@#?() \n_+]{0,24}",
            "((FROM|INTO|INSERT|TABLE|DISTINCT|\"a\"|'b'|\\.|5| |--|/\\*|\\*/|\n|\u{feff}|x'){0,3}){0,8}",
        ]
    ) {
        let shown = redact(&sql);
        prop_assert_eq!(redact(&shown), shown);
    }
}
