internal import CLinux
internal import Glibc
internal import PMSystem
internal import PMWire

/// The chain-loader: gives up rights in a fixed order, then becomes the program of a role.
public enum Launch {
  /// Does not return if all goes well; else the exit code.
  public static func run(_ arguments: [String]) -> Int32 {
    do throws(LaunchError) {
      try launch(arguments)
    } catch {
      let line = Array("pm-launch: step=\(error.step.rawValue) errno=\(error.number)\n".utf8)
      // The last words go out or they do not; there is nobody else to tell.
      _ = unsafe line.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
      return error.exitCode
    }
  }

  private static func launch(_ arguments: [String]) throws(LaunchError) -> Never {
    guard arguments.count >= 3, let role = Role(rawValue: arguments[1]),
      let profile = Profile(rawValue: arguments[2])
    else { throw LaunchError(.arguments, EINVAL) }
    resetSignals()
    let given = try GivenDescriptors()
    let environment = childEnvironment(role, given)
    umask(0o077)
    guard unsafe chdir("/") == 0 else { throw .last(.folder) }
    try enterControlGroup(given)
    try setLimits(role, profile)
    if profile == .production { try giveUpIdentity(role) }
    guard pm_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) == 0 else { throw .last(.privileges) }
    guard pm_close_range(UInt32(given.firstUnwanted), .max, Int32(CLOSE_RANGE_CLOEXEC)) == 0 else {
      throw .last(.descriptors)
    }
    let argv = [role.rawValue] + arguments.dropFirst(3)
    _ = unsafe withCStrings(argv) { argv in
      unsafe withCStrings(environment) { envp in
        unsafe pm_execveat(given.program, argv, envp)
      }
    }
    throw .last(.exec)
  }

  /// SIGRTMAX of Linux on x86-64 and arm64; the macro is a call that Swift does not see.
  private static let signalMax: Int32 = 64

  /// Mask and ignored signals survive exec; pmctl blocks some and ignores one.
  private static func resetSignals() {
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigprocmask(SIG_SETMASK, &none, nil)
    // SIGKILL, SIGSTOP and the two that glibc keeps to itself refuse; the others cannot fail.
    // tidy:allow banned-call: back to the default, which is no handler
    for number in 1...signalMax { _ = signal(number, SIG_DFL) }
  }

  /// The list of the role, and nothing that was not asked for. Only here the pid is known.
  private static func childEnvironment(_ role: Role, _ given: GivenDescriptors) -> [String] {
    var values = Environment.values(role.environmentNames)
    values[Inheritance.listenCount] = nil
    values[Inheritance.listenNames] = nil
    if !given.names.isEmpty {
      values[Inheritance.listenCount] = String(given.names.count)
      values[Inheritance.listenNames] = given.names.joined(separator: ":")
      values[Inheritance.listenProcess] = String(getpid())
    }
    if values[Inheritance.watchdogMicroseconds] != nil {
      values[Inheritance.watchdogProcess] = String(getpid())
    }
    values[Inheritance.swiftBacktrace] = "enable=no"
    return values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }

  /// `0` means the process that writes (cgroups(7)).
  private static func enterControlGroup(_ given: GivenDescriptors) throws(LaunchError) {
    guard let group = given.controlGroup else { return }
    guard unsafe write(group, "0", 1) == 1 else { throw .last(.cgroup) }
  }

  // RLIMIT_NPROC and RLIMIT_MEMLOCK, which glibc shows to GNU and BSD sources only.
  private static let processes: Int32 = 6
  private static let lockedMemory: Int32 = 8

  private static func setLimits(_ role: Role, _ profile: Profile) throws(LaunchError) {
    try setLimit(Int32(RLIMIT_CORE.rawValue), 0)
    try setLimit(Int32(RLIMIT_NOFILE.rawValue), role.descriptorsMax)
    try setLimit(lockedMemory, role.lockedBytesMax)
    // It counts per uid, so it would count a developer's own processes.
    if profile == .production { try setLimit(processes, role.threadsMax) }
  }

  /// Sets both limits, never above what this process has: raising needs a capability that even the
  /// supervisor lacks.
  private static func setLimit(
    _ resource: Int32, _ wanted: UInt64
  ) throws(LaunchError) {
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else { throw .last(.limits) }
    let most = min(wanted, UInt64(limit.rlim_max))
    limit = rlimit(rlim_cur: rlim_t(most), rlim_max: rlim_t(most))
    guard unsafe setrlimit(resource, &limit) == 0 else { throw .last(.limits) }
  }
}

/// The step that failed, and its errno.
struct LaunchError: Error {
  enum Step: String {
    case arguments, descriptors, folder, cgroup, limits, account, capabilities, groups, ids
    case privileges, exec
  }
  let step: Step
  let number: Int32

  init(_ step: Step, _ number: Int32) { (self.step, self.number) = (step, number) }
  static func last(_ step: Step) -> LaunchError { LaunchError(step, pm_errno()) }

  var exitCode: Int32 {
    number == EAGAIN || number == ENOMEM ? ExitCode.transient : ExitCode.sandbox
  }
}
