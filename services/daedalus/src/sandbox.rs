//! What a worker may do: decode, and nothing else.
//!
//! After [`enter`] no file can be opened, no socket made, no program started and no memory made
//! executable. A system call that is not allowed ends the process: either the list is wrong or
//! somebody else is in control, and both must be seen.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::buffers::DMA_BUF_IOCTL_SYNC;

/// Descriptors: the socket, standard error, and the buffers of a queue.
const DESCRIPTORS_MAX: u64 = 1100;

/// Why a sandbox could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The system refused a limit.
    #[error("{what}: {source}")]
    Limit {
        /// Which one.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The filter cannot be made or installed.
    #[error("seccomp: {0}")]
    Filter(String),
}

/// Dies with `parent`, which this process is a copy of, and leaves no core.
///
/// # Errors
/// The system's; or that it has died.
pub fn follow_parent(parent: Pid) -> Result<(), SandboxError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(limit("PR_SET_PDEATHSIG"))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(limit("getppid")(rustix::io::Errno::SRCH));
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(limit("PR_SET_DUMPABLE"))
}

/// Gives up all rights but those to decode, with at most `memory` bytes of address space. To be
/// called while the process has one thread; those started later are in the sandbox, too.
///
/// # Errors
/// See [`SandboxError`].
pub fn enter(memory: u64) -> Result<(), SandboxError> {
    for (what, resource, value) in [
        ("RLIMIT_AS", Resource::As, memory),
        ("RLIMIT_NOFILE", Resource::Nofile, DESCRIPTORS_MAX),
        ("RLIMIT_CORE", Resource::Core, 0),
    ] {
        let value = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        rustix::process::setrlimit(resource, value).map_err(limit(what))?;
    }
    for program in [no_clone3()?, allowed()?] {
        seccompiler::apply_filter(&program).map_err(filter_error)?;
    }
    Ok(())
}

fn limit(what: &'static str) -> impl Fn(rustix::io::Errno) -> SandboxError {
    move |e| SandboxError::Limit {
        what,
        source: e.into(),
    }
}

fn filter_error(e: impl ToString) -> SandboxError {
    SandboxError::Filter(e.to_string())
}

/// clone3 keeps its flags in memory, where no filter can look. The C library then uses clone.
fn no_clone3() -> Result<BpfProgram, SandboxError> {
    compile(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
    )
}

fn allowed() -> Result<BpfProgram, SandboxError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    let exec = libc::PROT_EXEC as u64;
    let thread = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u64;
    for (call, argument, mask, value) in [
        // Memory, but not to be executed.
        (libc::SYS_mmap, 2, exec, 0),
        (libc::SYS_mprotect, 2, exec, 0),
        // Threads, but no processes.
        (libc::SYS_clone, 0, thread, thread),
        // A thread's name.
        (libc::SYS_prctl, 0, u64::MAX, libc::PR_SET_NAME as u64),
        // What a build with assertions asks of a descriptor before it closes it.
        (libc::SYS_fcntl, 1, u64::MAX, libc::F_GETFD as u64),
        // To abort.
        (libc::SYS_tgkill, 0, u64::MAX, u64::from(std::process::id())),
        // Before and after a buffer is written.
        (libc::SYS_ioctl, 1, u64::MAX, u64::from(DMA_BUF_IOCTL_SYNC)),
    ] {
        rules.insert(call, vec![when(argument, mask, value)?]);
    }
    compile(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Allowed with any arguments. No file is open but the socket, standard error, buffers and
/// streams to be verified.
const ALWAYS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
];

fn when(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, SandboxError> {
    let length = if mask == u64::MAX {
        SeccompCmpArgLen::Dword
    } else {
        SeccompCmpArgLen::Qword
    };
    let operation = if mask == u64::MAX {
        SeccompCmpOp::Eq
    } else {
        SeccompCmpOp::MaskedEq(mask)
    };
    SeccompCondition::new(argument, length, operation, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(filter_error)
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, SandboxError> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(filter_error)?;
    SeccompFilter::new(rules, otherwise, matched, machine)
        .and_then(BpfProgram::try_from)
        .map_err(filter_error)
}
