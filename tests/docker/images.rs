//! Images that are pulled, built and installed into, stage by stage, by a true engine.

use std::sync::Mutex;

use conducto::{
    clock,
    executor::{
        Dockerfile, Error, Executor, ImageNews, ImageOrder, ImageStage,
        docker::{Access, Docker, Options, Range, Registry},
    },
    model::{Base, Recipe, Trust},
};

use crate::{BUSYBOX, SOCKET, docker, images, lines, registry};

fn server(access: Access) -> Docker {
    named(access, clock::new_uuid().to_string())
}

fn named(access: Access, server: String) -> Docker {
    images();
    let (binary, socket) = ("/nonexistent".into(), SOCKET.into());
    Docker::new(Options { server, binary, socket, networks: Range::default(), access })
}

/// Makes an image, and says which stages that took and what was told.
async fn make(server: &Docker, order: &ImageOrder) -> (Result<String, Error>, Vec<ImageStage>, String) {
    let told = Mutex::new((Vec::new(), String::new()));
    let watch = |news: ImageNews| {
        let mut told = told.lock().unwrap();
        match news {
            ImageNews::Begun(stage) => told.0.push(stage),
            ImageNews::Line(line) => told.1 += &format!("{line}\n"),
        }
    };
    let made = server.make_image(order, &watch).await;
    let (stages, log) = told.into_inner().unwrap();
    (made, stages, log)
}

fn order(text: &str, packages: &[&str], trust: Trust) -> ImageOrder {
    let packages = packages.iter().map(|name| (*name).to_owned()).collect();
    let base = Base::Text { text: text.to_owned(), context: None };
    let dockerfile = Some(Dockerfile { name: "dockerfile_text".into(), text: text.to_owned() });
    ImageOrder {
        recipe: Recipe { base, packages, ..Recipe::default() },
        trust,
        dockerfile,
        context: None,
        project: Vec::new(),
    }
}

/// What Alpine's installer is told, and by whom, stands in a file afterwards. No image of Alpine can be had without a registry.
fn alpine() -> String {
    let apk = "#!/bin/sh\\necho \"$(id -u) $*\" >> /installed\\ncase \"$*\" in *missing*) echo no such package; exit 9;; esac\\n";
    format!(
        "FROM {BUSYBOX}\nRUN echo {} && echo ID=alpine > /etc/os-release && printf '{apk}' > /bin/apk && chmod +x /bin/apk\nUSER node\n",
        clock::new_uuid()
    )
}

#[tokio::test]
async fn packages_are_installed_as_root_once_and_for_each_class_apart() {
    use ImageStage::{Build, Install, Pull};
    let server = server(Access::default());
    let text = alpine();
    let (made, stages, log) = make(&server, &order(&text, &["git", "make"], Trust::Trusted)).await;
    let made = made.unwrap_or_else(|error| panic!("{error}\n{log}"));
    assert_eq!(stages, [Pull, Build, Install]);
    let installed = lines(&["run", "--rm", &made, "cat", "/installed"]);
    assert_eq!(installed, ["0 update", "0 add --update git make"]);
    assert_eq!(lines(&["image", "inspect", "--format", "{{.Config.User}}", &made]), ["node"]);

    let (again, stages, _) = make(&server, &order(&text, &["git", "make"], Trust::Trusted)).await;
    assert_eq!((again.unwrap(), stages), (made.clone(), vec![Pull]), "all of it was there");
    let (other, stages, _) = make(&server, &order(&text, &["git"], Trust::Trusted)).await;
    assert_eq!(stages, [Pull, Install], "what it begins with was there");
    let (fork, stages, _) = make(&server, &order(&text, &["git", "make"], Trust::Fork)).await;
    assert_eq!(stages, [Pull, Build, Install], "nothing of the other class is used");
    let all = [made, other.unwrap(), fork.unwrap()];
    let owned: Vec<String> = server.owned_images().await.unwrap().into_iter().map(|image| image.reference).collect();
    assert!(all.iter().all(|image| owned.contains(image)), "{owned:?}");

    let name = format!("conducto-test-{}", clock::new_uuid());
    assert!(docker(&["create", "--name", &name, &all[1], "true"]).status.success());
    assert!(!server.remove_image(&all[1]).await.unwrap(), "a container uses it");
    assert!(docker(&["rm", &name]).status.success());
    for image in owned.iter().filter(|name| name.starts_with("conducto_installed")).chain(&owned) {
        assert!(server.remove_image(image).await.unwrap(), "{image}");
    }
    assert!(server.owned_images().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_package_that_does_not_exist_is_named_with_what_was_said_of_it() {
    let name = clock::new_uuid().to_string();
    let server = named(Access::default(), name.clone());
    let (made, stages, _) = make(&server, &order(&alpine(), &["missing"], Trust::Trusted)).await;
    let error = made.unwrap_err().to_string();
    assert!(error.contains("installing packages") && error.contains("apk add --update missing"), "{error}");
    assert!(error.contains("code: 9") && error.ends_with("no such package"), "{error}");
    assert_eq!(stages.last(), Some(&ImageStage::Install));
    let plain = format!("FROM {BUSYBOX}\nRUN echo {}\n", clock::new_uuid());
    let (made, ..) = make(&server, &order(&plain, &["git"], Trust::Trusted)).await;
    let error = made.unwrap_err().to_string();
    assert!(error.contains("does not say of which distribution it is"), "{error}");
    for image in server.owned_images().await.unwrap() {
        assert!(server.remove_image(&image.reference).await.unwrap());
    }
    let probes = lines(&["ps", "-aq", "--filter", &format!("label=com.conducto.probe={name}")]);
    assert!(probes.is_empty(), "{probes:?}");
}

#[tokio::test]
async fn an_image_behind_a_login_is_for_those_who_have_it() {
    let host = registry::start().await;
    let image = format!("{host}/private:1");
    let pulled = |trust| ImageOrder {
        recipe: Recipe { base: Base::Reference(image.clone()), ..Recipe::default() },
        trust,
        dockerfile: None,
        context: None,
        project: Vec::new(),
    };
    let (made, ..) = make(&server(Access::default()), &pulled(Trust::Trusted)).await;
    let error = made.unwrap_err().to_string();
    assert!(error.contains("asks for a login"), "{error}");

    let login = Registry { host, user: registry::USER.into(), password: registry::PASSWORD.to_owned().into() };
    let server = server(Access { registries: vec![login], ..Access::default() });
    let (made, _, log) = make(&server, &pulled(Trust::Trusted)).await;
    assert_eq!(made.unwrap_or_else(|error| panic!("{error}\n{log}")), image);
    assert!(log.contains("is here"), "{log}");
    // It lies on the machine now, and is still nothing for the code of a fork; nor is what begins with it.
    let (made, ..) = make(&server, &pulled(Trust::Fork)).await;
    assert!(made.unwrap_err().to_string().contains("the code of a fork does not get"));
    let (made, stages, _) = make(&server, &order(&format!("FROM {image}\n"), &[], Trust::Fork)).await;
    assert!(made.unwrap_err().to_string().contains("the code of a fork does not get"));
    assert_eq!(stages, [ImageStage::Pull]);
    assert!(docker(&["rmi", &image]).status.success());
}
