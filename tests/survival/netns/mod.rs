//! Real packet loss: a client and a server in two network namespaces, with rules of the firewall between them.
//!
//! The fault proxy between them only holds a message back until the rule is active.

mod network;
mod zones;

use std::{
    fmt, fs, thread,
    time::{Duration, Instant},
};

use pusher_channels::testing::TestServer;

use crate::{
    fault_proxy::{Action, Cut, FaultProxy, Phase, ProxyFault},
    figures,
    support::PATIENCE,
    test_client::{ACTIVITY, History, NOTICE, PONG, RECOVERY, TestClient, config},
};
use network::{Network, SERVER_ADDRESS, SERVER_NAME, at_server, run};

/// A change of the network, and how it is undone.
struct Row {
    name: &'static str,
    begin: &'static str,
    end: &'static str,
    phases: &'static [Phase],
}

use Phase::{Closing, Confirming, Connecting, Established, Idle, Response};

const ALL: &[Phase] = &[Connecting, Response, Established, Confirming, Idle, Closing];

/// A new fault is one row.
const ROWS: &[Row] = &[
    Row {
        name: "packets from the server are dropped",
        begin: "iptables -A INPUT -s 10.77.0.1 -j DROP",
        end: "iptables -F",
        phases: ALL,
    },
    Row {
        name: "packets from the client are dropped",
        begin: "iptables -A OUTPUT -d 10.77.0.1 -j DROP",
        end: "iptables -F",
        phases: ALL,
    },
    Row {
        name: "all packets are dropped",
        begin: "iptables -A INPUT -s 10.77.0.1 -j DROP; iptables -A OUTPUT -d 10.77.0.1 -j DROP",
        end: "iptables -F",
        phases: ALL,
    },
    Row {
        name: "the server's host answers with RST",
        begin: "$AT_SERVER iptables -A INPUT -i cable -p tcp -j REJECT --reject-with tcp-reset",
        end: "$AT_SERVER iptables -F",
        phases: ALL,
    },
    Row {
        name: "the network is administratively prohibited",
        begin: "$AT_SERVER iptables -A INPUT -i cable -j REJECT --reject-with icmp-admin-prohibited",
        end: "$AT_SERVER iptables -F",
        phases: &[Connecting, Established, Idle],
    },
    Row {
        name: "there is no route",
        begin: "ip route delete 10.77.0.0/24",
        end: "ip route add 10.77.0.0/24 dev cable",
        phases: ALL,
    },
    Row {
        name: "the cable is pulled",
        begin: "ip link set cable down",
        end: "ip link set cable up",
        phases: &[Connecting, Confirming, Idle, Closing],
    },
    Row {
        name: "the route is a black hole",
        begin: "ip route add blackhole 10.77.0.1/32",
        end: "ip route delete blackhole 10.77.0.1/32",
        phases: &[Connecting, Established, Idle],
    },
    Row {
        name: "the name is not known",
        begin: ": > /etc/hosts",
        end: "echo 10.77.0.1 server.test > /etc/hosts",
        phases: &[Connecting],
    },
    Row {
        name: "the resolver does not answer",
        begin: ": > /etc/hosts; iptables -A OUTPUT -p udp --dport 53 -j DROP",
        end: "echo 10.77.0.1 server.test > /etc/hosts; iptables -F",
        phases: &[Connecting],
    },
];

/// Shorter than the second after which TCP repeats a lost SYN, so that an attempt that began just before the end of a
/// fault
/// ends in time.
const CONNECT: Duration = Duration::from_millis(500);

/// The time for the thread of an abandoned attempt to close its socket.
const CLOSED_WITHIN: Duration = Duration::from_millis(500);

/// How long a fault lasts after the client has noticed it: long enough for some failed attempts.
const OUTAGE: Duration = Duration::from_millis(200);

#[test]
fn r6_r8_the_client_survives_packets_that_are_really_lost() {
    let network = Network::set_up();
    let output = network.run_in_client("netns::inside_the_client_namespace");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
}

#[test]
#[ignore = "run by r6_r8_the_client_survives_packets_that_are_really_lost in the client's namespace"]
fn inside_the_client_namespace() {
    let each = |row: &'static Row| row.phases.iter().map(move |phase| Case { row, phase: *phase });
    let cases: Vec<Case> = ROWS.iter().flat_map(each).collect();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let results: Vec<_> = cases.iter().map(|case| case.run().map_err(|failure| format!("{case}: {failure}"))).collect();
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
    let worst = results.iter().flatten().max().copied().unwrap_or_default();
    figures::record(
        "packets lost in network namespaces",
        format_args!("{} of {} recovered, at worst {worst:?} beyond the back-off", results.len(), cases.len()),
        "at least 20 of 20 within back-off + 1 s",
    );
}

struct Case {
    row: &'static Row,
    phase: Phase,
}

impl Case {
    /// Returns how long the client took to reconnect, without its back-off.
    fn run(&self) -> Result<Duration, String> {
        let (server, proxy) = at_server(|| {
            let server = TestServer::start().expect("a free port");
            let proxy = FaultProxy::listen(SERVER_ADDRESS, server.addr());
            (server, proxy)
        });
        let client = TestClient::new(config(SERVER_NAME, proxy.port()).connect_timeout(CONNECT));
        let begun = self.begin(&proxy, &client);
        let lost = self.wait_lost(&client, begun);
        thread::sleep(OUTAGE);
        let [ending, ended] = run(self.row.end);
        lost?;
        if self.phase == Closing {
            client.pusher.connect_background().map_err(|error| error.to_string())?;
        }
        let history = client.wait(|history| history.recovered_after(ending).is_some());
        let recovered = history.recovered_after(ending).ok_or_else(|| format!("not reconnected: {history}"))?;
        let recovery = (recovered - ended).saturating_sub(history.backed_off(ended, recovered));
        if recovery > RECOVERY || history.losses_since(ended).len() > 1 {
            return Err(format!("reconnected {recovery:?} after the back-off: {history}"));
        }
        client.each_event_arrives_once(&server)?;
        // On a busy machine, the thread of an abandoned attempt may close its socket a moment later.
        let deadline = Instant::now() + CLOSED_WITHIN;
        while sockets_to(proxy.port()) != 1 && Instant::now() < deadline {
            thread::yield_now();
        }
        match sockets_to(proxy.port()) {
            1 => Ok(recovery),
            sockets => Err(format!("{sockets} sockets are open")),
        }
    }

    /// Brings the client to the phase, and starts the fault.
    fn begin(&self, proxy: &FaultProxy, client: &TestClient) -> [Instant; 2] {
        let connect = || drop(client.pusher.connect_background().expect("a good configuration"));
        match self.phase {
            Connecting => {
                let begun = run(self.row.begin);
                connect();
                begun
            }
            Idle | Closing => {
                connect();
                client.wait_subscribed();
                run(self.row.begin)
            }
            phase => {
                proxy.arm(ProxyFault { phase, cut: Cut::Before, action: Action::Hold });
                connect();
                proxy.wait_struck(PATIENCE).expect("the client reaches the phase");
                let begun = run(self.row.begin);
                proxy.release();
                begun
            }
        }
    }

    /// Waits until the client has noticed the fault, within its limit; at [`Closing`], until `disconnect` has returned.
    fn wait_lost(&self, client: &TestClient, [beginning, begun]: [Instant; 2]) -> Result<(), String> {
        if self.phase == Closing {
            let begin = Instant::now();
            client.pusher.disconnect();
            let took = begin.elapsed();
            let limit = Duration::from_millis(250);
            return if took > limit { Err(format!("disconnect took {took:?}")) } else { Ok(()) };
        }
        let lost =
            |history: &History| history.losses_since(beginning).first().map(|loss| (loss.at, loss.was_connected));
        let history = client.wait(|history| lost(history).is_some());
        let (at, was_connected) = lost(&history).ok_or_else(|| format!("not noticed: {history}"))?;
        // Nothing arrives while the rule is active, so that the last byte is even older.
        let limit = NOTICE + if was_connected { ACTIVITY + PONG } else { CONNECT };
        if at - begun > limit { Err(format!("noticed {:?} after it began: {history}", at - begun)) } else { Ok(()) }
    }
}

/// The number of sockets of this process that are connected or connecting to this port (R9).
fn sockets_to(port: u16) -> usize {
    let table = fs::read_to_string("/proc/self/net/tcp").expect("procfs");
    let remote = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // Established, connecting, and ended by the peer only; a socket without an inode is closed already.
        columns[2].ends_with(&remote) && ["01", "02", "08"].contains(&columns[3]) && columns[9] != "0"
    };
    table.lines().skip(1).filter(is_open).count()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.row.name, self.phase)
    }
}
