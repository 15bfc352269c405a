//! What authors want told of single nodes, by the callbacks of the Python SDK: whom it reaches, and whom it must not.

use conducto::standin::MailServer;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::house::{House, Plan};

const CFG: &str = "[push]\ncommand = \"python3 ci.py\"\nemail = \"all@example.com\"\n\
                   [pr]\ncommand = \"python3 ci.py\"\nemail = \"all@example.com\"\n";

const PROGRAM: &str = r##"
import os
import conducto as co

def main() -> co.Serial:
    root = co.Serial(stop_on_error=False)
    root["good"] = co.Exec("true")
    root["bad"] = co.Exec("exit 3")
    root["bad"].on_error(co.callback.email(to="ada@example.com", cc=["bob@example.com"]))
    root["bad"].on_error(co.callback.email())
    root["bad"].on_error(co.callback.slack_status("#ops", "look <!channel>"))
    root["bad"].on_error(co.callback.email(to="gone@nowhere.example"))
    root.on_state_change(co.callback.slack_status("#all", inherited=True))
    url, sha = os.environ["CONDUCTO_GIT_URL"], os.environ["CONDUCTO_GIT_SHA"]
    root["bad"].on_state_change(co.callback.github_status("https://github.com/acme/api.git", sha))
    root["good"].on_done(co.callback.github_status("https://github.com/acme/other.git", sha))
    return root

if __name__ == "__main__":
    co.main(default=main)
"##;

async fn house() -> (House, MailServer) {
    let mail = MailServer::start(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    let url = mail.url();
    let server = move |house: &House| {
        let mut command = house.command();
        command
            .env("CONDUCTO_EMAIL_SMTP_URL", &url)
            .env("CONDUCTO_EMAIL_FROM", "Conducto <ci@example.com>")
            .env("CONDUCTO_EMAIL_TO", "usual@example.com, other@example.com");
        command
    };
    (House::build(Plan { server: Box::new(server), ..Plan::default() }).await, mail)
}

#[tokio::test]
async fn each_notice_reaches_whom_it_names_and_what_cannot_is_seen() {
    let (house, mail) = house().await;
    let (sha, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.py", PROGRAM)]).await;
    let view = house.ended(&ids[0]).await;
    assert_eq!(view.summary.counts.error, 1, "{:?}", view.summary.cause);

    let letters = house
        .until("three letters have arrived", async || Some(mail.letters()).filter(|letters| letters.len() >= 3))
        .await;
    let to = |first: &str| {
        let letter = letters.iter().find(|letter| letter.to[0] == first);
        letter.unwrap_or_else(|| panic!("nothing went to {first}: {letters:?}"))
    };
    let asked = to("ada@example.com");
    assert_eq!((asked.to.len(), asked.from.as_str()), (2, "ci@example.com"));
    assert!(asked.text.contains("Subject: [acme/api] Failed: /Execute/bad (push to main)"), "{}", asked.text);
    assert!(asked.text.contains("exit 3") && asked.text.contains("Cc: bob@example.com"), "{}", asked.text);
    assert_eq!(to("usual@example.com").to, ["usual@example.com", "other@example.com"]);
    let end = to("all@example.com");
    assert!(end.text.contains("Failed:") && end.text.contains("/Execute/bad: exit 3"), "{}", end.text);
    let thread = format!("References: <{}@example.com>", ids[0]);
    assert!(letters.iter().all(|letter| letter.text.contains(&thread)), "{letters:?}");

    let statuses = house.statuses(&sha, "conducto/push/Execute/bad").await;
    assert_eq!(statuses.last().unwrap().state, "failure");

    let of = |channel: &str| {
        let messages = house.slack.messages().into_iter();
        messages.filter(|message| message.channel == channel).collect::<Vec<_>>()
    };
    house.until("the channels know", async || (of("#ops").len() == 1 && of("#all").len() >= 3).then_some(())).await;
    let words = of("#ops")[0].blocks.to_string();
    assert!(words.contains("look &lt;!channel&gt;"), "{words}");
    // Each node has one message, which goes along with its state.
    let about = |name: &str| of("#all").into_iter().filter(|message| message.text.contains(name)).collect::<Vec<_>>();
    house
        .until("the nodes have ended in Slack too", async || {
            let (good, bad) = (about("/Execute/good"), about("/Execute/bad"));
            (good.len() == 1 && bad.len() == 1 && good[0].text.contains("Passed") && bad[0].text.contains("Failed"))
                .then_some(())
        })
        .await;

    let dead: Vec<Value> = house
        .until("what cannot be told is seen", async || {
            let rows: Vec<Value> = house.get("/outbox?state=dead").await?;
            (rows.len() == 2).then_some(rows)
        })
        .await;
    let errors = dead.iter().map(|row| row["error"].to_string()).collect::<String>();
    assert!(errors.contains("only in its own repository, acme/api"), "{errors}");
    assert!(errors.contains("no such mailbox"), "{errors}");
}

#[tokio::test]
async fn the_code_of_a_fork_writes_to_nobody() {
    let (house, mail) = house().await;
    let (base, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.py", PROGRAM)]).await;
    house.ended(&ids[0]).await;
    house.until("its letters have arrived", async || (mail.letters().len() >= 3).then_some(())).await;
    let (letters, messages) = (mail.letters().len(), house.slack.messages().len());
    let (head, id) = house.pull_request_of_a_fork(&[("conducto.cfg", CFG), ("ci.py", PROGRAM)], &base).await;
    // Plain processes never run the code of a fork; its section alone would have a letter written.
    house.post(&format!("/pipelines/{id}/start")).await;
    assert_eq!(house.statuses(&head, "conducto/pr").await.last().unwrap().state, "error");
    let is_quiet = async || {
        let rows: Vec<Value> = house.get("/outbox").await?;
        rows.iter().all(|row| row["state"] != "ready" && row["state"] != "sending").then_some(())
    };
    house.until("everything is said", is_quiet).await;
    assert_eq!((mail.letters().len(), house.slack.messages().len()), (letters, messages));
}
