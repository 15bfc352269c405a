//! What can be done with profiles, with the words of the old product (`compat.md` §7.2).

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};

use super::folder::{Known, LOCAL, Profiles};
use crate::{
    cli::{
        failure::{Failure, Outcome},
        place,
        printer::Printer,
    },
    model::State,
};

const EXAMPLES: &str = "\
Examples:
  conducto profile list
  conducto profile add https://ci.example.org --token cdt_… --default
  conducto profile set-default 87a5a060";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Profile {
    #[command(subcommand)]
    verb: Verb,
    /// The directory that holds everything [default: ~/.conducto]
    #[arg(long, value_name = "DIR", global = true)]
    base_dir: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List profiles
    List,
    /// Add a server
    Add {
        /// Its address, which begins with https://
        url: String,
        /// Ask there from now on
        #[arg(long)]
        default: bool,
        /// Token for it
        #[arg(long, value_name = "TOKEN", env = "CONDUCTO_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// Name of the organisation that it is
        #[arg(long, value_name = "NAME")]
        organization: Option<String>,
        /// Who asks there
        #[arg(long, value_name = "E-MAIL")]
        email: Option<String>,
    },
    /// Choose the server that is asked where none is named
    SetDefault {
        /// The profile
        id: String,
    },
    /// Remove a profile, with its data
    Delete {
        /// The profile
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Those of this address
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Those of this e-mail
        #[arg(long, value_name = "E-MAIL")]
        email: Option<String>,
        /// Also if it holds data of pipelines
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn run(profile: Profile, printer: &mut Printer) -> Outcome {
    let settings = place::settings(None, profile.base_dir.as_deref())?;
    let layout = crate::settings::Layout::find(&settings.base_dir, &settings.organisation, &settings.user);
    layout.create().map_err(Failure::usage)?;
    let profiles = Profiles::of(layout.base());
    match profile.verb {
        Verb::List => profiles.list().iter().try_for_each(|known| Ok(show(known, printer)?)),
        Verb::Add { url, default, token, organization, email } => {
            let url = url.trim_end_matches('/');
            // Within this machine nobody listens in.
            if !url.starts_with("https://") && !url.starts_with("http://127.0.0.1") {
                return Err(Failure::usage(anyhow!("the URL must begin with https://, and `{url}` does not")));
            }
            let organisation = organization.unwrap_or(settings.organisation);
            let email = email.unwrap_or(settings.user);
            let mut known =
                profiles.add(url, &organisation, &email, token.as_deref()).context("the profile cannot be written")?;
            if default {
                profiles.set_default(&known.id).context("the default cannot be written")?;
                known.is_default = true;
            }
            Ok(show(&known, printer)?)
        }
        Verb::SetDefault { id } => {
            if profiles.list().iter().all(|known| known.id != id) {
                return Err(Failure::new(anyhow!("The profile {id} was not found.")));
            }
            Ok(profiles.set_default(&id).context("the default cannot be written")?)
        }
        Verb::Delete { id, url, email, force } => {
            let is_meant = |known: &Known| {
                let fits = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|wanted| wanted == has);
                fits(&id, &known.id) && fits(&url, &known.url) && fits(&email, &known.email)
            };
            if id.is_none() && url.is_none() && email.is_none() {
                return Err(Failure::usage(anyhow!("say which profile: --id, --url or --email")));
            }
            let meant: Vec<Known> = profiles.list().into_iter().filter(is_meant).collect();
            let [known] = meant.as_slice() else {
                let words = if meant.is_empty() {
                    "No profile matches the criteria."
                } else {
                    "Multiple matches, specify the id."
                };
                return Err(Failure::new(anyhow!(words)));
            };
            delete(&profiles, known, force)
        }
    }
}

fn delete(profiles: &Profiles, known: &Known, force: bool) -> Outcome {
    if profiles.holds_data(&known.id) && !force {
        let error = anyhow!("profile {} holds data of pipelines", known.id);
        return Err(Failure::usage(error).help("--force removes it too, for good"));
    }
    if known.url == LOCAL && known.is_default {
        let error = anyhow!("profile {} is where runs and servers of this machine keep their data", known.id);
        return Err(Failure::usage(error).help("make another the default first: conducto profile set-default ID"));
    }
    Ok(profiles.remove(&known.id).context("the profile cannot be removed")?)
}

fn show(known: &Known, printer: &mut Printer) -> std::io::Result<()> {
    let default = if known.is_default { format!(" {}", printer.state(State::Done, "default")) } else { String::new() };
    printer.line(&format!("Profile {}{default}", known.id))?;
    printer.line(&format!("\tURL:  {}", known.url))?;
    printer.line(&format!("\tOrganization:  {}", known.organisation))?;
    printer.line(&format!("\te-mail:  {}\n", known.email))
}
