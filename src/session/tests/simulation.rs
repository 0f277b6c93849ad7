//! The load of many sessions on a server: after an outage, and when the server closes them again and again. Rules R1, R2.

use super::*;
use crate::testability::figures;

/// The number of clients that lose their connection at one instant.
const CLIENTS: u64 = 10_000;

/// An outage puts 10,000 delays into up to 300 bins, about 33 into each; chance alone puts 50 into some. Several
/// outages are added up to reduce the effect of chance.
const OUTAGES: usize = 10;

/// The length of the outage. All clients have reached the longest delays by the middle of it.
const OUTAGE: Duration = Duration::from_secs(240);

const BIN: Duration = Duration::from_millis(100);

/// The largest allowed bin, as a multiple of the mean.
const EVEN: f64 = 1.3;

/// How many attempts were made in each 100 ms.
#[derive(Clone, Default)]
struct Histogram(Vec<u32>);

impl Histogram {
    fn add(&mut self, at: Duration) {
        let bin = (at.as_nanos() / BIN.as_nanos()) as usize;
        self.0.resize(self.0.len().max(bin + 1), 0);
        self.0[bin] += 1;
    }

    /// The fullest bin, in means of the bins.
    fn peak(&self) -> f64 {
        let fullest = f64::from(self.0.iter().copied().max().unwrap_or_default());
        fullest * self.0.len() as f64 / f64::from(self.0.iter().sum::<u32>())
    }
}

impl Scenario {
    /// Loses a stable connection, and is refused until the outage is over. Returns when attempts were made, counted from
    /// the loss; the last one succeeds.
    fn outage(&mut self) -> Vec<Duration> {
        self.pass(11 * SECOND);
        let (start, mut attempts) = (self.now, Vec::new());
        self.lose();
        loop {
            self.wait_for_attempt();
            let at = self.now - start;
            attempts.push(at);
            if at >= OUTAGE {
                break;
            }
            self.socket(FromSocket::DialFailed(Error::lost("refused")));
        }
        self.establish().forget();
        attempts
    }
}

/// The delay before an attempt is drawn evenly, as R1 demands, and so the load on the server is even once all clients
/// draw from the same 30 s. The first attempts cannot be even in time, because all start at one instant. So each of the
/// first delays is checked alone, and the load is checked from the middle of the outage on.
#[test]
#[ignore = "takes long: tests/run survival"]
fn survival_r1_ten_thousand_clients_come_back_evenly() {
    // By the number of the attempt; all from the sixth on are drawn from the same 30 s.
    let mut delays = vec![Histogram::default(); 7];
    let mut arrivals = Histogram::default();
    let mut slowest = Duration::ZERO;
    for seed in 0..CLIENTS {
        let mut client = Scenario::seeded(settings(), seed);
        client.connect_background().establish().forget();
        for _ in 0..OUTAGES {
            let attempts = client.outage();
            let before = [Duration::ZERO].into_iter().chain(attempts.iter().copied());
            for (number, (at, before)) in (1..).zip(attempts.iter().zip(before)) {
                delays[number.min(6)].add(*at - before);
            }
            let by_all = OUTAGE / 2..OUTAGE;
            attempts.iter().filter(|at| by_all.contains(at)).for_each(|at| arrivals.add(*at - by_all.start));
            slowest = slowest.max(attempts[attempts.len() - 1] - OUTAGE);
        }
    }
    let sizes: Vec<_> = delays[3..].iter().map(|delays| delays.0.len()).collect();
    assert_eq!(sizes, [40, 80, 160, 300], "4, 8, 16 and 30 s in bins of 100 ms");
    let peaks: Vec<_> = delays[3..].iter().map(Histogram::peak).collect();
    assert!(peaks.iter().all(|peak| *peak <= EVEN), "the fullest bin of delay 3, 4, 5 and the others: {peaks:.3?}");
    assert!(arrivals.peak() <= EVEN, "the fullest bin of the outage's second half: {:.3}", arrivals.peak());
    assert!(slowest <= 30 * SECOND, "the last client was back after {slowest:?}");
    let worst = peaks.into_iter().fold(arrivals.peak(), f64::max);
    let what = "10,000 simulated clients after an outage: fullest 100 ms bin from the third attempt on";
    figures::record(what, format_args!("{worst:.2} x mean"), "at most 1.3 x mean");
}

/// How many attempts are made in the busiest minute of an hour with a server that confirms each connection, and closes it
/// with this code after this time.
fn busiest_minute(seed: u64, code: u16, lifetime: Duration) -> usize {
    let mut s = Scenario::seeded(settings(), seed);
    let end = s.now + 3600 * SECOND;
    s.connect_background();
    let mut attempts = Vec::new();
    // A session that tries again in no time would never come to the end of the hour.
    while s.now < end && attempts.len() < 10_000 {
        s.wait_for_attempt();
        attempts.push(s.now);
        s.establish().pass(lifetime).close(code).forget();
    }
    let within_a_minute = |(first, at): (usize, &Instant)| {
        attempts[first..].iter().take_while(|other| **other < *at + 60 * SECOND).count()
    };
    attempts.iter().enumerate().map(within_a_minute).max().unwrap_or_default()
}

#[test]
#[ignore = "takes long: tests/run survival"]
fn survival_r2_a_server_that_accepts_and_closes_gets_few_attempts() {
    let lifetimes = [0, 1, 500, 5_000, 9_999, 10_000].map(Duration::from_millis);
    let mut worst = 0;
    for (code, seeds) in [(4200, 1000), (4299, 100), (4100, 100), (1000, 100), (1006, 100)] {
        for lifetime in lifetimes {
            for seed in 0..seeds {
                let attempts = busiest_minute(seed, code, lifetime);
                assert!(attempts <= 60, "{attempts} in a minute: seed {seed}, code {code} after {lifetime:?}");
                worst = worst.max(attempts);
            }
        }
    }
    let what = "a server that accepts and closes with 4200: attempts in the busiest minute, 1,000 seeds";
    figures::record(what, worst, "at most 60");
}
