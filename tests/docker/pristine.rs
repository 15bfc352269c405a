//! Nodes in throw-away layers: whatever one of them does to its container, the next one finds nothing of it.

use conducto::{
    model::{Isolation, Outcome},
    worker::protocol::Start,
};

use crate::{BUSYBOX, Place, rig::order};

const DONE: Option<Outcome> = Some(Outcome::Exited { code: 0 });

async fn place() -> Place {
    let mut place = Place::new(BUSYBOX);
    place.spec.isolation = Isolation::Pristine;
    place.start().await.unwrap();
    place
}

async fn run(place: &mut Place, fence: u64, command: &str) -> (String, Option<Outcome>) {
    place.rig.order(Start { isolation: Isolation::Pristine, ..order(fence, command) });
    let seen = place.rig.ended(fence).await;
    (seen.out() + &seen.err(), seen.outcome.clone())
}

/// Lists every file of the container, with what makes it what it is; processes and what belongs to the kernel apart.
const LOOK: &str = "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -exec stat -c '%n %f %u %g %s' {} + \
    | grep -v '^/ ' | sort; stat -c '%f %u %g' /; cat /etc/hosts /etc/resolv.conf; \
    ls -lA /dev /dev/shm /dev/mqueue /conducto /conducto/node /mnt/conducto | sed 's/[A-Z][a-z]* *[0-9]* [0-9:]* //; s/^total.*//; s/^drwx.* [0-9]*$//'; \
    find /conducto/node -type f; cat /proc/sysvipc/shm | wc -l";

#[tokio::test]
async fn nothing_that_a_node_does_is_seen_by_the_next() {
    let mut place = place().await;
    let (before, outcome) = run(&mut place, 1, LOOK).await;
    assert_eq!(outcome, DONE, "{before}");
    assert!(before.contains("/bin/busybox ") && before.contains("127.0.0.1"), "{before}");
    let spoil = "set -e; echo x > /bin/new; rm /bin/vi /etc/passwd; mkdir -p /a/b; chmod 700 /home; chmod 711 /; \
                 echo '1.2.3.4 evil' >> /etc/hosts; echo x > /dev/shm/x; echo x > /tmp/x; rm -r /home/node; \
                 echo x > /conducto/node/x; mkdir /conducto/node/y; echo x > file; echo x > $HOME/x; echo done";
    assert_eq!(run(&mut place, 2, spoil).await, ("done\n".to_owned(), DONE));
    let (after, _) = run(&mut place, 3, LOOK).await;
    assert_eq!(after, before);
    // A change of nothing but a mode, in a layer that was used before.
    assert_eq!(run(&mut place, 4, "chmod 711 /").await.1, DONE);
    assert_eq!(run(&mut place, 5, LOOK).await.0, before);
    assert_eq!(run(&mut place, 6, "echo 1.2.3.4 >> /etc/hosts").await.1, DONE);
    assert_eq!(run(&mut place, 7, LOOK).await.0, before);
    place.remove().await;
}

#[tokio::test]
async fn what_is_meant_to_stay_stays() {
    let mut place = place().await;
    let give = "echo p > /conducto/data/pipeline/p; echo u > /conducto/data/user/u; cat file; pwd; cat $0 | head -1; \
                touch $HOME/x $TMPDIR/y && echo $HOME";
    let (said, outcome) = run(&mut place, 1, give).await;
    assert_eq!(outcome, DONE, "{said}");
    assert!(said.starts_with("pristine\n/mnt/conducto\n#!/bin/ash\n/conducto/node/"), "{said}");
    assert_eq!(run(&mut place, 2, "cat /conducto/data/*/*").await.0, "p\nu\n");
    place.remove().await;
}

#[tokio::test]
async fn a_node_can_neither_mount_nor_see_the_layers_nor_change_what_is_the_workers() {
    let mut place = place().await;
    let attack = "mount -t tmpfs x /tmp 2>/dev/null && echo can mount
umount /conducto/data/user 2>/dev/null && echo can unmount
for way in -m -i -u -Um; do unshare $way true 2>/dev/null && echo can unshare $way; done
nsenter -t 1 -m true 2>/dev/null && echo can enter
chroot /proc/1/root true 2>/dev/null && echo can leave
ls /conducto/layers
for file in mem environ maps; do cat /proc/1/$file >/dev/null 2>&1 && echo can read $file; done
for file in /conducto/cmd.sh /conducto/bin/conducto /conducto/run/worker.sock; do rm $file 2>/dev/null && echo can remove $file; done
echo x 2>/dev/null > /conducto/new && echo can write
mknod /dev/new c 1 3 2>/dev/null && echo can make devices
echo over";
    assert_eq!(run(&mut place, 1, attack).await.0, "over\n");
    let rights =
        "grep Cap /proc/self/status | while read set bits; do [ $((0x$bits >> 21 & 1)) = 0 ] || echo $set; done";
    assert_eq!(run(&mut place, 2, rights).await.0, "");
    // A node that wants no layer of its own has the right as little.
    assert_eq!(place.rig.run(3, "mount -t tmpfs x /tmp 2>/dev/null || echo refused").await.out(), "refused\n");
    place.remove().await;
}

#[tokio::test]
async fn where_no_layer_can_be_had_the_node_says_so_and_does_not_run() {
    let mut shared = Place::started(BUSYBOX).await;
    match run(&mut shared, 1, "echo never").await {
        (said, Some(Outcome::Infrastructure { message })) => {
            assert_eq!(said, "");
            assert!(message.contains("[containers] pristine = true"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    shared.remove().await;
    let mut user = Place::new("conducto-test/busybox-user:1");
    user.spec.isolation = Isolation::Pristine;
    let refused = user.start().await.unwrap_err().to_string();
    assert!(refused.contains("needs root") && refused.contains("`node`"), "{refused}");
    user.remove().await;
}
