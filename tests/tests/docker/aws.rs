//! `deploy/aws` against a mock of AWS, with the hosts of a lab as its machines.

mod cloud;

use std::collections::BTreeSet;
use std::time::Duration;

use chordial_tests::programs::{Output, ensure, eventually};

use cloud::Cloud;

const SIZES: &str = "--instance-type t3.micro --image-id ami-12c6146b \
                     --block-device-mappings DeviceName=/dev/xvda,Ebs={VolumeSize=8,DeleteOnTermination=true}";

/// A student's term in one: first complaints, the first evening, the morning after, the demonstration, the end.
#[test]
fn a_class_with_the_learner_lab() {
    let image = crate::lab::image();
    let cloud = Cloud::up(4);

    what_is_missing_is_named(&cloud);
    let others = limits(&cloud);

    let up = fine(cloud.deploy(&format!("up --machines 3 --image {image}")));
    let first = cloud.powered();
    assert_eq!(first.len(), 3);
    for address in &first {
        assert!(up.contains(&format!("http://{address}:8000/")), "{address} is named: {up}");
    }
    assert!(up.contains("dollars an hour"), "{up}");
    as_it_should_be(&cloud);

    let (machines, peers) = (machines(&cloud), containers(&cloud));
    let again = fine(cloud.deploy("up"));
    for word in ["made", "open:", "closed:", "joined", "gets", "start"] {
        assert!(!again.contains(word), "the second `up` changes something ({word}): {again}");
    }
    assert_eq!(machines, self::machines(&cloud), "the same machines");
    assert_eq!(peers, containers(&cloud), "the same containers");
    let same = fine(cloud.deploy(&format!("deploy --image {image}")));
    assert!(!same.contains("gets"), "{same}");

    the_night(&cloud, &first);
    another_machine(&cloud);
    the_demo(&cloud);
    the_end(&cloud, &others);
}

fn what_is_missing_is_named(cloud: &Cloud) {
    let expired = cloud.deploy_with("up", &[("AWS_ENDPOINT_URL", "http://127.0.0.1:5001")]);
    refused(&expired, &["credentials have expired", "AWS Details", "~/.aws/credentials"]);
    let none = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(|key| (key, ""));
    refused(&cloud.deploy_with("status", &none), &["no credentials", "AWS Details"]);
    let away = cloud.folder().join("elsewhere");
    std::fs::create_dir(&away).expect("a folder");
    refused(
        &cloud.deploy_with("up", &[("HOME", &away.display().to_string())]),
        &["labsuser.pem", "--key FILE"],
    );
    let bare = cloud.folder().join("bare");
    std::fs::create_dir(&bare).expect("a folder");
    for program in ["bash", "env", "dirname", "mktemp", "rm"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{program}"), bare.join(program)).expect("a link");
    }
    refused(&cloud.deploy_with("down", &[("PATH", &bare.display().to_string())]), &["aws client is missing"]);
    refused(&cloud.deploy("demo"), &["no machines of Chordial", "deploy/aws/up"]);
    refused(&cloud.deploy("up --region eu-west-1"), &["us-east-1 and us-west-2 only"]);
    refused(&cloud.deploy("up --image nowhere.tar"), &["no file nowhere.tar"]);
    assert!(cloud.deploy("up --help").out.contains("--machines N"), "the help");
}

/// Refuses what a lab does; leaves seven machines of somebody else.
fn limits(cloud: &Cloud) -> Vec<String> {
    refused(&cloud.deploy("up --machines 10"), &["10 machines are too many", "allows 9"]);
    refused(&cloud.deploy("up --machines 2"), &["too few"]);
    refused(&cloud.deploy("up --type m5.large"), &["m5.large", "t3.small"]);
    let others = cloud.aws(&format!("ec2 run-instances --count 7 {SIZES} --query Instances[].InstanceId"));
    let others: Vec<String> = others.split_whitespace().map(str::to_owned).collect();
    refused(&cloud.deploy("up"), &["7 others that run", "end those first"]);
    assert_eq!(machines(cloud), "", "no machine was made");
    cloud.aws(&format!("ec2 terminate-instances --instance-ids {}", others[1..].join(" ")));
    others
}

/// The group has these rules and no other; machines are of the lab's kind, in a swarm of private addresses.
fn as_it_should_be(cloud: &Cloud) {
    let group = cloud.aws("ec2 describe-security-groups --filters Name=tag:Project,Values=chordial --query SecurityGroups[].GroupId");
    let rules = cloud.aws(&format!(
        "ec2 describe-security-group-rules --filters Name=group-id,Values={group} --query \
         SecurityGroupRules[?IsEgress==`false`].[IpProtocol,FromPort,ToPort,CidrIpv4||ReferencedGroupInfo.GroupId]"
    ));
    let rules: BTreeSet<String> = rules.lines().map(|rule| rule.replace('\t', " ")).collect();
    let expected = ["tcp 2377 2377", "tcp 7946 7946", "udp 7946 7946", "udp 4789 4789", "tcp 22 22"]
        .map(|rule| format!("{rule} {group}"))
        .into_iter()
        .chain(["tcp 22 22", "tcp 8000 8000"].map(|rule| format!("{rule} 10.77.0.100/32")));
    assert_eq!(rules, expected.collect());

    let kinds = cloud.aws(
        "ec2 describe-instances --filters Name=tag:Project,Values=chordial --query \
         Reservations[].Instances[].[InstanceType,KeyName,IamInstanceProfile.Arn,SecurityGroups[0].GroupId]",
    );
    assert_eq!(kinds.lines().count(), 3);
    for kind in kinds.lines() {
        assert!(kind.starts_with("t3.small\tvockey\t") && kind.ends_with(&group), "{kind}");
        assert!(kind.contains("instance-profile/LabInstanceProfile"), "{kind}");
    }
    let private: BTreeSet<String> = column(cloud, "PrivateIpAddress");
    let swarm: BTreeSet<String> = cloud
        .powered()
        .iter()
        .map(|address| cloud.on(address, "docker info --format '{{.Swarm.NodeAddr}}'"))
        .collect();
    assert_eq!(swarm, private, "the swarm's addresses are the private ones");
}

/// All machines are off, and come back with other addresses.
fn the_night(cloud: &Cloud, evening: &[String]) {
    let ids: Vec<String> = column(cloud, "InstanceId").into_iter().collect();
    cloud.aws(&format!("ec2 stop-instances --instance-ids {}", ids.join(" ")));
    wait_powered(cloud, 0);
    let off = cloud.deploy("status");
    assert!(off.code == 1 && off.out.contains("All are off"), "{}{}", off.out, off.err);
    refused(&cloud.deploy("demo"), &["is stopped", "deploy/aws/up starts it again"]);

    let morning = fine(cloud.deploy("up"));
    assert!(morning.contains("3 machines were off, and start"), "{morning}");
    let today = cloud.powered();
    assert!(
        today.len() == 3 && today.iter().all(|address| !evening.contains(address)),
        "{evening:?} {today:?}"
    );
    for address in &today {
        assert_eq!(cloud.on(address, "cat /srv/chordial/public_url"), format!("http://{address}:8000"));
    }
    let status = fine(cloud.deploy("status"));
    assert_eq!(status.matches("member of the ring").count(), 3, "{status}");
    assert!(status.contains("3 peers, all views agree"), "{status}");
}

/// Somebody has ended machine 3; `up` makes another one.
fn another_machine(cloud: &Cloud) {
    let ended = machines(cloud);
    let ended = ended.lines().find(|line| line.ends_with("chordial-3")).expect("machine 3");
    let ended = ended.split_whitespace().next().expect("its identifier");
    cloud.aws(&format!("ec2 terminate-instances --instance-ids {ended}"));
    wait_powered(cloud, 2);
    let up = fine(cloud.deploy("up --machines 3"));
    for word in ["machine 3: i-", "machine 3 joined", "machine 3 gets"] {
        assert!(up.contains(word), "{word}: {up}");
    }
    let nodes = cloud.on(&cloud.powered()[0], "docker node ls --quiet");
    assert_eq!(nodes.lines().count(), 3, "the swarm forgets the machine that was ended");
}

fn the_demo(cloud: &Cloud) {
    let into = cloud.folder().join("shown");
    let shown = fine(cloud.deploy(&format!("demo --into {}", into.display())));
    let text = |name: &str| std::fs::read_to_string(into.join(name)).expect("what the demo writes");
    let transcript = text("transcripcion.txt");
    assert!(shown.contains(&transcript), "the transcript is what was shown");
    for word in
        ["a stand-in for AWS", "the ring is whole without it", "machine 2 is off", "All of it worked."]
    {
        assert!(transcript.contains(word), "{word}: {transcript}");
    }
    assert!(text("ring-check.txt").contains("3 peers, all views agree"), "{}", text("ring-check.txt"));
    for (picture, peers) in [("01-anillo", 3), ("02-sin-maquina-2", 2), ("03-de-vuelta", 3)] {
        let svg = text(&format!("{picture}.svg"));
        assert_eq!(svg.matches("r=\"11\"").count(), peers, "{picture}: {svg}");
        assert!(svg.ends_with("</svg>\n"), "{picture}: {svg}");
    }
    fine(cloud.deploy("status"));
}

/// What is not Chordial's is left, and named.
fn the_end(cloud: &Cloud, others: &[String]) {
    let down = cloud.deploy("down");
    assert!(down.code == 1 && down.out.contains("These cost"), "{}{}", down.out, down.err);
    assert!(down.out.contains(&others[0]), "the other machine is named: {}", down.out);
    assert_eq!(machines(cloud), "");
    cloud.aws(&format!("ec2 terminate-instances --instance-ids {}", others[0]));
    let nothing = fine(cloud.deploy("down"));
    assert!(nothing.contains("Nothing: no machine"), "{nothing}");
    wait_powered(cloud, 0);
    let gone = cloud.deploy("status");
    assert!(gone.code == 1 && gone.out.contains("no machines of Chordial"), "{}{}", gone.out, gone.err);
}

/// Identifiers of the machines that exist, with their tags.
fn machines(cloud: &Cloud) -> String {
    cloud.aws(
        "ec2 describe-instances --filters Name=tag:Project,Values=chordial \
         Name=instance-state-name,Values=pending,running,stopping,stopped \
         --query Reservations[].Instances[].[InstanceId,Tags[?Key==`Name`]|[0].Value]",
    )
}

fn column(cloud: &Cloud, key: &str) -> BTreeSet<String> {
    let values = cloud.aws(&format!(
        "ec2 describe-instances --filters Name=tag:Project,Values=chordial --query Reservations[].Instances[].{key}"
    ));
    values.split_whitespace().map(str::to_owned).collect()
}

/// The containers that run, of all machines.
fn containers(cloud: &Cloud) -> Vec<String> {
    cloud.powered().iter().map(|address| cloud.on(address, "docker ps --quiet --no-trunc")).collect()
}

#[track_caller]
fn fine(output: Output) -> String {
    assert_eq!(output.code, 0, "{}\n{}", output.out, output.err);
    output.out
}

/// It failed, and says all of this to people.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    assert_eq!(output.code, 1, "{}\n{}", output.out, output.err);
    for word in words {
        assert!(output.err.contains(word), "\"{word}\" is not said: {}", output.err);
    }
}

/// Waits until so many machines have power.
#[track_caller]
fn wait_powered(cloud: &Cloud, machines: usize) {
    eventually(Duration::from_secs(30), &format!("{machines} machines have power"), || {
        let powered = cloud.powered();
        ensure(powered.len() == machines, || format!("{powered:?} have"))
    });
}
