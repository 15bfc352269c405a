//! What real programs print, and what is found in it.

use proptest::prelude::*;

use super::{Scanner, Weight};

fn found(root: &str, folder: &str, log: &str) -> String {
    let mut scanner = Scanner::new(root, folder, 50);
    log.lines().for_each(|line| scanner.line(line));
    let (problems, _) = scanner.finish();
    let lines = problems.iter().map(|problem| {
        let lines = if problem.end_line > problem.line { format!("-{}", problem.end_line) } else { String::new() };
        let weight = match problem.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
            Weight::Notice => "notice",
        };
        format!("{}:{}{lines} {weight} [{}] {:?}", problem.path, problem.line, problem.title, problem.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn commands_of_github_are_understood() {
    let log = "::error file=src/app.js,line=1,endLine=3,title=Oh no::Missing%3A a semicolon%0Aand more%25
  ::warning file=a.py,line=7::careful
::notice file=README.md::no line
::error::nowhere
::error line=3::no file
::debug file=a.py,line=1::quiet
not ::error file=a.py,line=1::at the beginning";
    insta::assert_snapshot!(found("/mnt/conducto", "", log), @r#"
    src/app.js:1-3 error [Oh no] "Missing: a semicolon\nand more%"
    a.py:7 warning [] "careful"
    README.md:1 notice [] "no line"
    "#);
}

#[test]
fn rustc_and_clippy_are_understood() {
    let log = "   Compiling rocket v0.1.0 (/mnt/conducto)
error[E0308]: mismatched types
 --> src/main.rs:4:18
  |
4 |     let x: u32 = \"a\";
  |            ---   ^^^ expected `u32`, found `&str`

warning: redundant clone
  --> crates/engine/src/lib.rs:10:5
   |
   = note: `#[warn(clippy::redundant_clone)]` on by default

error: could not compile `rocket` (bin \"rocket\") due to 1 previous error
note: run with `RUST_BACKTRACE=1`
  --> src/other.rs:9:9";
    insta::assert_snapshot!(found("/mnt/conducto", "", log), @r#"
    src/main.rs:4 error [E0308] "mismatched types"
    crates/engine/src/lib.rs:10 warning [] "redundant clone"
    "#);
}

#[test]
fn pytest_is_understood() {
    let log = "=================================== FAILURES ===================================
    def test_sum():
>       assert add(1, 1) == 3
E       assert 2 == 3
E        +  where 2 = add(1, 1)

tests/test_sum.py:5: AssertionError
_________________________________ test_raises __________________________________
src/calc.py:12: in divide
    return a / b
E   ZeroDivisionError: division by zero
src/calc.py:3: ZeroDivisionError
=========================== short test summary info ============================
FAILED tests/test_sum.py::test_sum - assert 2 == 3";
    insta::assert_snapshot!(found("/mnt/conducto", "python", log), @r#"
    python/tests/test_sum.py:5 error [AssertionError] "assert 2 == 3"
    python/src/calc.py:3 error [ZeroDivisionError] "ZeroDivisionError: division by zero"
    "#);
}

#[test]
fn eslint_and_compilers_are_understood() {
    let log = "/mnt/conducto/web/src/app.ts
  3:7   error    'x' is assigned a value but never used  @typescript-eslint/no-unused-vars
  9:1   warning  Unexpected console statement            no-console

  1:1  error  belongs to no file  nothing
src/a.c:12:3: warning: unused variable 'x' [-Wunused-variable]
src/a.c:14: fatal error: missing.h: No such file or directory
pkg/a.py:7: error: Incompatible return value type
/usr/include/stdio.h:3:1: error: not ours
../../etc/passwd:1:1: error: not ours either
10:30:15: error: a time is no file
http://example.com:80: error: nor is this";
    insta::assert_snapshot!(found("/mnt/conducto", "", log), @r#"
    web/src/app.ts:3 error [@typescript-eslint/no-unused-vars] "'x' is assigned a value but never used"
    web/src/app.ts:9 warning [no-console] "Unexpected console statement"
    src/a.c:12 warning [] "unused variable 'x' [-Wunused-variable]"
    src/a.c:14 error [] "missing.h: No such file or directory"
    pkg/a.py:7 error [] "Incompatible return value type"
    "#);
}

#[test]
fn no_more_than_wanted_is_kept_and_nothing_twice() {
    let mut scanner = Scanner::new("/mnt/conducto", "", 2);
    for line in [1, 1, 2, 3, 4] {
        scanner.line(&format!("a.c:{line}:1: error: wrong"));
    }
    let (problems, left_out) = scanner.finish();
    assert_eq!((problems.len(), left_out), (2, 2));
}

proptest! {
    #[test]
    fn no_line_leads_out_of_the_repository(lines in prop::collection::vec("[./a-z:0-9 >E-]{0,30}(error|warning)?.{0,20}", 0..20)) {
        let mut scanner = Scanner::new("/mnt/conducto", "sub", 50);
        lines.iter().for_each(|line| scanner.line(line));
        for problem in scanner.finish().0 {
            prop_assert!(!problem.path.starts_with('/') && problem.path.split('/').all(|step| step != ".."));
            prop_assert!(problem.line >= 1 && problem.end_line >= problem.line);
        }
    }
}
