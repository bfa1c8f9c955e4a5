//! Every operation while the operator dies at each of its writes, and while the API server lags: the cluster settles in what
//! was asked for, nothing the ring counts on is lost on the way, and nothing runs twice.

mod growth;
mod holds;
mod maintenance;
mod removal;
mod takeover;
mod tasks;
mod witness;

use anyhow::Result;
use casskop_tests::cluster::Cluster;
use casskop_tests::faults::deaths::Deaths;
use casskop_tests::faults::lag::Reads;
use casskop_tests::faults::stage::{Faults, Operation, Stage};
use casskop_tests::ground::Ground;

const AT_EVERY_WRITE: Faults = Faults::Deaths(Deaths::AtEveryWrite);

/// Deaths amid what a process does in one pass, on top of those at every write.
const AMID_PASSES: [Faults; 2] = [
    Faults::Deaths(Deaths::AtEach(2)),
    Faults::Deaths(Deaths::AtEach(3)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_survives_a_death_at_every_write() -> Result<()> {
    println!("{}", maintenance::live_through(AT_EVERY_WRITE).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growth_and_the_end_survive_a_death_at_every_write() -> Result<()> {
    println!("{}", growth::live_through(AT_EVERY_WRITE).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_survives_a_death_at_every_write() -> Result<()> {
    println!("{}", removal::live_through(AT_EVERY_WRITE).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_survives_a_death_at_every_write() -> Result<()> {
    println!("{}", takeover::live_through(AT_EVERY_WRITE).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_survive_a_death_at_every_write() -> Result<()> {
    println!("{}", tasks::live_through(AT_EVERY_WRITE).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_minds_no_lag() -> Result<()> {
    println!("{}", maintenance::live_through(Faults::Lag(Reads::Old)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growth_and_the_end_mind_no_lag() -> Result<()> {
    println!("{}", growth::live_through(Faults::Lag(Reads::Old)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_minds_no_lag() -> Result<()> {
    println!("{}", removal::live_through(Faults::Lag(Reads::Old)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_minds_no_lag() -> Result<()> {
    println!("{}", takeover::live_through(Faults::Lag(Reads::Old)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_mind_no_lag() -> Result<()> {
    println!("{}", tasks::live_through(Faults::Lag(Reads::Current)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_survives_deaths_amid_passes() -> Result<()> {
    if std::env::var_os("CASSKOP_TEST_FULL").is_none() {
        return Ok(());
    }
    for faults in AMID_PASSES {
        println!("{}", maintenance::live_through(faults).await?);
        println!("{}", growth::live_through(faults).await?);
        println!("{}", removal::live_through(faults).await?);
        println!("{}", takeover::live_through(faults).await?);
        println!("{}", tasks::live_through(faults).await?);
    }
    Ok(())
}

/// A cluster called `demo` forms, under faults from its first node on.
async fn formed(ground: &Ground, cluster: &Cluster<'_>, faults: Faults, nodes: usize) -> Result<Stage> {
    let mut stage = Stage::new(ground, "demo", faults).await?;
    let forming = operation("forming", 8, &[]);
    stage
        .carry_out(forming, async || cluster.settled(nodes).await.map(drop))
        .await?;
    Ok(stage)
}

fn operation<'a>(name: &'a str, writes: usize, calls: &'a [&'a str]) -> Operation<'a> {
    Operation { name, writes, calls }
}
