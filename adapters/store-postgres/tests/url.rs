//! Which URLs name a database, and what is said of the others.

use accountservice_store_postgres::DatabaseUrl;

fn shown(url: &str) -> String {
    DatabaseUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).to_string()
}

#[test]
fn a_url_is_shown_without_user_and_password() {
    for (url, expected) in [
        ("postgres://app:p4ss@db/accounts", "postgres://db:5432/accounts"),
        ("postgresql://app:p4ss@db:5433/accounts?sslmode=require", "postgres://db:5433/accounts"),
        ("postgres://app@a,b:6543/accounts", "postgres://a:5432,b:6543/accounts"),
        ("postgres://[::1]:6543/accounts?user=app&password=p4ss", "postgres://[::1]:6543/accounts"),
        ("postgres://%2Frun%2Fpostgresql/accounts", "postgres:///run/postgresql/accounts"),
        ("postgres:///accounts?host=/run/postgresql", "postgres:///run/postgresql/accounts"),
        ("postgres://a%40b:%2Fp%3F%234s%25s@db/accounts", "postgres://db:5432/accounts"),
        ("postgres://app@db/a%20b?application_name=x&connect_timeout=1", "postgres://db:5432/a b"),
        ("postgres://db/a?prepared_statements=false&sslmode=prefer", "postgres://db:5432/a"),
        ("postgres://db/a?target_session_attrs=read-write", "postgres://db:5432/a"),
    ] {
        assert_eq!(shown(url), expected);
        let parsed = DatabaseUrl::parse(url).expect("a URL");
        assert_eq!(format!("{parsed:?}"), expected);
    }
}

#[test]
fn a_wrong_url_says_what_to_write_and_shows_no_password() {
    const PLACE: &str = "it names a host and a database: postgres://USER:PASSWORD@HOST";
    for (url, says) in [
        ("mysql://app:p4ss@db/a", "the form is postgres://USER"),
        ("accounts.db", "the form is postgres://USER"),
        ("postgres://", PLACE),
        ("postgres://app:p4ss@/a", PLACE),
        ("postgres://app:p4ss@:5432/a", PLACE),
        ("postgres:///a", PLACE),
        ("postgres://app:p4ss@x,/a", PLACE),
        ("postgres://app:p4ss@x/a?host=y", PLACE),
        ("postgres://app:p4ss@db", PLACE),
        ("postgres://app:p4ss@db/", PLACE),
        ("postgres://:p4ss@db/a", PLACE),
        ("postgres://app:p4ss@p4ss@db/a", "@ is %40"),
        ("postgres://app:p4ss/p4ss@db/a", "/ %2F"),
        ("postgres://app:p4ss?p4ss=x@db/a", "? %3F"),
        ("postgres://app:p4ss#p4ss@db/a", "# %23"),
        ("postgres://app:p4ss p4ss@db/a", "a blank %20"),
        ("postgres://app:p4ss@db/a\n", "a blank %20"),
        ("postgres://db/a?user=app@p4ss", "@ is %40"),
        ("postgres://app:p4ss%zz@db/a", "two hexadecimal digits"),
        ("postgres://app:p4ss@db/a%4", "two hexadecimal digits"),
        ("postgres://app:p4ss%@db/a", "two hexadecimal digits"),
        ("postgres://app:p4ss%ff@db/a", "UTF-8"),
        ("postgres://app:p4ss%00@db/a", "without NUL"),
        ("postgres://app:p4ss@db:p4ss/a", "`port`"),
        ("postgres://app:p4ss@db:65536/a", "`port`"),
        ("postgres://app:p4ss@[::1/a", "`host`"),
        ("postgres://db/a?sslmode=verify-ca&sslrootcert=/ca.pem", "write sslmode=verify-full"),
        ("postgres://db/a?sslmode=verify-ca", "write sslmode=verify-full"),
        ("postgres://db/a?sslmode=verify-full", "needs sslrootcert=FILE"),
        (
            "postgres://db/a?sslmode=require&sslrootcert=/ca.pem",
            "with sslrootcert, write sslmode=verify-full",
        ),
        ("postgres://db/a?sslrootcert=/ca.pem", "with sslrootcert, write sslmode=verify-full"),
        (
            "postgres://db/a?sslmode=disable&sslrootcert=/ca.pem",
            "with sslrootcert, write sslmode=verify-full",
        ),
        ("postgres://db/a?sslmode=allow", "disable, prefer, require or verify-full"),
        ("postgres://db/a?sslmode=", "disable, prefer, require or verify-full"),
        ("postgres://db/a?prepared_statements=no", "true or false"),
        (
            "postgres://db/a?user=app&p4ss=1",
            "parameter 2 is unknown or repeated; there are prepared",
        ),
        ("postgres://db/a?password=p4ss&p4ss", "parameter 2 is unknown or repeated"),
        ("postgres://db/a?sslmode=disable&sslmode=require", "parameter 2 is unknown or repeated"),
        ("postgres://db/a?target_session_attrs=p4ss", "`target_session_attrs`"),
        ("postgres://db/a?channel_binding=p4ss", "`channel_binding`"),
        ("postgres://db/a?connect_timeout=p4ss", "`connect_timeout`"),
    ] {
        let error = DatabaseUrl::parse(url).expect_err(url);
        assert!(error.to_string().contains(says), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("p4ss"), "{url}: {error}");
    }
}
