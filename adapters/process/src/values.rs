//! Values of settings, from flags and environment variables, and the text of `--help`.
//!
//! Which settings there are is not known here: the binary takes each by its name. All bad values are
//! reported together.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::{Display, Write as _};
use std::fs;

use lexopt::Arg::{Long, Short};
use lexopt::Parser;

use crate::exit::Exit;
use crate::kind::{BOOLEAN, Kind};

/// A program, as `--help` shows it.
pub struct Program {
    /// The name of the command. The variable of `--port` is `NAME_PORT`.
    pub name: &'static str,
    /// What `--version` prints.
    pub version: &'static str,
    /// What the program does.
    pub about: &'static str,
    /// What else there is to know, behind the settings.
    pub notes: &'static str,
}

/// Reads the settings that `settings` takes, from flags or variables; a flag wins.
///
/// `settings` is called twice. The first time nothing is given, and the names of the settings are
/// learnt. It must take the same settings each time.
pub fn read<S>(
    program: &Program,
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    settings: impl Fn(&mut Values) -> S,
) -> Result<S, Exit> {
    let mut known = Values { prefix: program.name, ..Values::default() };
    settings(&mut known);
    let mut values = known.given(program, Parser::from_args(arguments), variable)?;
    let settings = settings(&mut values);
    let errors = values.errors.join("; ");
    match (errors.is_empty(), values.is_bad_usage) {
        (true, _) => Ok(settings),
        (false, true) => Err(Exit::BadUsage(errors)),
        (false, false) => Err(Exit::Failed(errors)),
    }
}

/// The name of a setting, and how it is read.
struct Setting {
    flag: &'static str,
    is_boolean: bool,
    is_secret: bool,
}

/// Values by flag, each with the name that the user gave it: `--port ` or `NAME_PORT=`.
type Given = HashMap<&'static str, (String, OsString)>;

/// The values that were given, the settings that were taken, and the errors in them.
#[derive(Default)]
pub struct Values {
    /// Variables that are no settings, one log entry each.
    pub ignored: Vec<String>,
    /// Of the variables in the text of `--help`.
    prefix: &'static str,
    given: Given,
    settings: Vec<Setting>,
    renamed: Vec<(&'static str, &'static str)>,
    help: String,
    errors: Vec<String>,
    is_bad_usage: bool,
}

impl Values {
    /// The value of a setting, or its default.
    pub fn take<T>(
        &mut self,
        flag: &'static str,
        Kind { name, expected, parse }: Kind<impl Fn(&str) -> Option<T>>,
        default: &str,
        help: &str,
    ) -> T {
        let given = self.declare(flag, name, default, help, false);
        let value = given.as_ref().and_then(|(_, value)| parse(value.to_str()?));
        if let (Some((name, value)), None) = (given, &value) {
            self.errors.push(format!("{name}{}: not {expected}", value.display()));
        }
        value.or_else(|| parse(default)).unwrap_or_else(|| unreachable!("the default is valid"))
    }

    /// The value of a setting that no log and no error shows. `NAME_FILE` names a file that contains
    /// it, such as a Docker secret. An error is bad usage.
    pub fn take_secret<T>(
        &mut self,
        flag: &'static str,
        Kind { name, expected, parse }: Kind<impl Fn(&OsStr) -> Result<T, String>>,
        default: &str,
        help: &str,
    ) -> T {
        let given = self.declare(flag, name, default, help, true);
        let value = given.and_then(|(name, value)| {
            if value.is_empty() {
                self.errors.push(format!("{name}: not {expected}"));
                return None;
            }
            let report = |error| {
                self.errors.push(format!("{}: {error}", name.trim_end_matches([' ', '='])));
                self.is_bad_usage = true;
            };
            parse(&value).map_err(report).ok()
        });
        let default = || parse(default.as_ref()).ok();
        value.or_else(default).unwrap_or_else(|| unreachable!("the default is valid"))
    }

    /// Describes the setting in the text of `--help`, and returns the value that was given.
    fn declare(
        &mut self,
        flag: &'static str,
        value: &str,
        default: &str,
        help: &str,
        is_secret: bool,
    ) -> Option<(String, OsString)> {
        let variable = variable_of(self.prefix, flag);
        let end = if default.is_empty() { "" } else { &format!(" [default: {default}]") };
        // Writing to a string cannot fail.
        let _ = write!(self.help, "  --{flag} {value}  {variable}\n      {help}{end}\n");
        self.settings.push(Setting { flag, is_boolean: value == BOOLEAN, is_secret });
        self.given.remove(flag)
    }

    /// `old` is refused with the name `new`.
    pub fn renamed(&mut self, old: &'static str, new: &'static str) {
        self.renamed.push((old, new));
    }

    /// Valid values that contradict each other are an error. It is not reported if one is not valid.
    pub fn reject(&mut self, error: String) {
        if self.errors.is_empty() {
            self.errors.push(error);
        }
    }

    /// What is given for the settings that were taken from here.
    fn given(
        &self,
        program: &Program,
        parser: Parser,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Exit> {
        // Flags first: `--help` is for the user whose variables are bad.
        let flags = self.flags(program, parser)?;
        // An empty variable is how compose files and shells say that there is none.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        for (old, new) in &self.renamed {
            let (old, new) = (variable_of(program.name, old), variable_of(program.name, new));
            if variable(&old).is_some() {
                return Err(program.bad_usage(format!("{old} is {new} now")));
            }
        }
        let mut values = Self::default();
        for &Setting { flag, is_secret, .. } in &self.settings {
            let name = variable_of(program.name, flag);
            let file = format!("{name}_FILE");
            let path = variable(&file).filter(|_| is_secret && !flags.contains_key(flag));
            match (variable(&name), path) {
                (None, None) => {}
                (Some(_), Some(_)) => {
                    return Err(program.bad_usage(format!("{name} and {file} are set: unset one")));
                }
                (None, Some(path)) => {
                    values.given.insert(flag, (format!("{file}="), contents(&path)?));
                }
                (Some(value), None) if is_service_link(&value) && !is_secret => {
                    let value = value.to_string_lossy();
                    let reason = "Kubernetes and Docker links set it for a service of this name";
                    values
                        .ignored
                        .push(format!("Ignoring {name}={}: {reason}", value.escape_debug()));
                }
                (Some(value), None) => {
                    values.given.insert(flag, (format!("{name}="), value));
                }
            }
        }
        values.given.extend(flags);
        Ok(values)
    }

    fn flags(&self, program: &Program, mut parser: Parser) -> Result<Given, Exit> {
        let bad_usage = |error: lexopt::Error| program.bad_usage(error);
        let mut given = Given::new();
        while let Some(argument) = parser.next().map_err(bad_usage)? {
            if argument == Short('h') || argument == Long("help") {
                return Err(program.help(&self.help));
            }
            if argument == Short('V') || argument == Long("version") {
                return Err(Exit::Printed(format!("{} {}\n", program.name, program.version)));
            }
            if let Some((old, new)) = self.renamed.iter().find(|(old, _)| argument == Long(old)) {
                return Err(program.bad_usage(format!("--{old} is --{new} now")));
            }
            let setting = self.settings.iter().find(|setting| argument == Long(setting.flag));
            let Some(setting) = setting else { return Err(bad_usage(argument.unexpected())) };
            let value = match parser.optional_value() {
                Some(value) => value,
                None if setting.is_boolean => boolean_ahead(&mut parser),
                None => parser.value().map_err(bad_usage)?,
            };
            given.insert(setting.flag, (format!("--{} ", setting.flag), value));
        }
        Ok(given)
    }
}

impl Program {
    fn help(&self, settings: &str) -> Exit {
        let Self { name, about, notes, .. } = self;
        Exit::Printed(format!(
            "{about}\n\nUsage: {name} [--SETTING VALUE]...\n\n\
             Settings, each a flag or an environment variable (the flag wins):\n\
             {settings}  -h, --help\n  -V, --version\n\n{notes}"
        ))
    }

    fn bad_usage(&self, error: impl Display) -> Exit {
        Exit::BadUsage(format!("{error}; {} --help shows what there is", self.name))
    }
}

fn variable_of(program: &str, flag: &str) -> String {
    format!("{program}_{flag}").to_uppercase().replace('-', "_")
}

/// The value of a flag that needs none: `--testability false`.
fn boolean_ahead(parser: &mut Parser) -> OsString {
    let ahead = parser.try_raw_args();
    let value = ahead.and_then(|mut ahead| ahead.next_if(|it| it == "true" || it == "false"));
    value.unwrap_or_else(|| "true".into())
}

/// The contents of a file without the line break at its end.
fn contents(path: &OsStr) -> Result<OsString, Exit> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).into()),
        Err(error) => Err(Exit::Failed(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Kubernetes sets `NAME_PORT=tcp://10.96.0.1:6767` for every service of a namespace, Docker for
/// every link.
fn is_service_link(value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}
