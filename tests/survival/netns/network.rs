//! Two network namespaces with a virtual cable between them. Needs root on Linux.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::PathBuf,
    process::{self, Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(super) const SERVER_ADDRESS: [u8; 4] = [10, 77, 0, 1];

/// The name of the server in the client's `/etc/hosts`.
pub(super) const SERVER_NAME: &str = "server.test";

/// The environment variable with the name of the server's namespace, for the process in the client's namespace.
const SERVER_NAMESPACE: &str = "SERVER_NAMESPACE";

/// The commands that set the network up; `$SERVER` and `$CLIENT` are the namespaces.
const SET_UP: &str = "
ip netns add $SERVER
ip netns add $CLIENT
ip -n $SERVER link set lo up
ip -n $CLIENT link set lo up
ip -n $SERVER link add cable type veth peer name cable netns $CLIENT
ip -n $SERVER address add 10.77.0.1/24 dev cable
ip -n $CLIENT address add 10.77.0.2/24 dev cable
ip -n $SERVER address add fe80::77:1/64 dev cable nodad
ip -n $CLIENT address add fe80::77:2/64 dev cable nodad
ip -n $SERVER link set cable up
ip -n $CLIENT link set cable up
";

/// The two namespaces. They are deleted when this is dropped, also after a failed test.
pub(super) struct Network {
    server: String,
    client: String,
}

impl Network {
    pub(super) fn set_up() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let network = Self { server: format!("pusher-server-{id}"), client: format!("pusher-client-{id}") };
        // `ip netns exec` mounts these files over those of the system.
        fs::create_dir_all(network.files()).expect("this test needs root, and the packages iproute2 and iptables");
        fs::write(network.files().join("hosts"), format!("10.77.0.1 {SERVER_NAME}\n")).expect("a writable folder");
        let resolver = "nameserver 10.77.0.1\noptions timeout:1 attempts:1\n";
        fs::write(network.files().join("resolv.conf"), resolver).expect("a writable folder");
        let made = network.shell(SET_UP);
        assert!(made.status.success(), "this test needs root, and the packages iproute2 and iptables: {made:?}");
        network
    }

    /// Runs an ignored test of this program in the client's namespace.
    pub(super) fn run_in_client(&self, test: &str) -> Output {
        Command::new("ip")
            .args(["netns", "exec", &self.client])
            .arg(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", test])
            .env(SERVER_NAMESPACE, &self.server)
            .output()
            .expect("ip is there")
    }

    fn files(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.client)
    }

    fn shell(&self, script: &str) -> Output {
        Command::new("sh")
            .args(["-e", "-c", script])
            .env("SERVER", &self.server)
            .env("CLIENT", &self.client)
            .output()
            .expect("a shell")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Deleting either end deletes the cable.
        for namespace in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
        let _ = fs::remove_dir_all(self.files());
    }
}

/// Runs a command of the table in the client's namespace, which is that of this process. With `$AT_SERVER` before it, a
/// command runs in the server's namespace. Returns the times before and after it; it took effect in between.
pub(super) fn run(command: &str) -> [Instant; 2] {
    let before = Instant::now();
    let server = std::env::var(SERVER_NAMESPACE).expect("this process was started by the test");
    let output = Command::new("sh")
        .args(["-e", "-c", command])
        .env("AT_SERVER", format!("ip netns exec {server}"))
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{command}: {output:?}");
    [before, Instant::now()]
}

/// Runs `start` in the server's namespace. The threads that it starts stay there.
pub(super) fn at_server<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    let server = std::env::var(SERVER_NAMESPACE).expect("this process was started by the test");
    let namespace = File::open(format!("/run/netns/{server}")).expect("a namespace");
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may move");
            start()
        });
        thread.join().expect("the start does not panic")
    })
}
