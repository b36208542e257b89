internal import CLinux
internal import Glibc

/// What a new process gets; everything else it does not get.
@safe public struct Spawn: ~Copyable {
  private let program: String
  private let arguments: [String]
  private let environment: [String]
  /// Copies with numbers above all targets, in the order of the targets.
  private var descriptors: [Int32] = []
  private var input: Int32?
  private var output: Int32?
  private var errors: Int32?

  /// Copies of descriptors start here, so that no copy is the target of another.
  private static let copiesFrom: Int32 = 64
  private static let firstTarget: Int32 = 3

  public init(program: String, arguments: [String], environment: [String]) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
  }

  deinit {
    for number in descriptors { _ = close(number) }
    for case let number? in [input, output, errors] { _ = close(number) }
  }

  /// Adds a descriptor; the first becomes number 3 in the new process, the next 4, and so on.
  public mutating func give(_ descriptor: borrowing OwnedDescriptor) throws(SystemError) {
    descriptors.append(try Self.copy(descriptor))
  }

  /// Standard input; without it, the null device.
  public mutating func giveInput(_ descriptor: borrowing OwnedDescriptor) throws(SystemError) {
    if let input { _ = close(input) }
    input = try Self.copy(descriptor)
  }

  /// Where standard output goes, instead of where ours goes.
  public mutating func giveOutput(_ descriptor: borrowing OwnedDescriptor) throws(SystemError) {
    if let output { _ = close(output) }
    output = try Self.copy(descriptor)
  }

  /// Where standard error goes, instead of where ours goes.
  public mutating func giveErrors(_ descriptor: borrowing OwnedDescriptor) throws(SystemError) {
    if let errors { _ = close(errors) }
    errors = try Self.copy(descriptor)
  }

  private static func copy(_ descriptor: borrowing OwnedDescriptor) throws(SystemError) -> Int32 {
    let number = fcntl(descriptor.number, F_DUPFD_CLOEXEC, copiesFrom)
    guard number >= 0 else { throw .last(.fcntl) }
    return number
  }

  /// Starts the process as leader of its own session: the signal mask is empty, all signals have
  /// their default effect. Gives the pid.
  public consuming func start() throws(SystemError) -> Int32 {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    // These calls fail for want of memory only, and then posix_spawn itself would.
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    if let input {
      unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    if let output { unsafe posix_spawn_file_actions_adddup2(&actions, output, 1) }
    if let errors { unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2) }
    for (i, number) in descriptors.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, number, Self.firstTarget + Int32(i))
    }
    var none = sigset_t()
    var all = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | pm_POSIX_SPAWN_SETSID
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    var pid: Int32 = 0
    let result = unsafe withCStrings(arguments) { argv in
      unsafe withCStrings(environment) { envp in
        unsafe posix_spawn(&pid, program, &actions, &attributes, argv, envp)
      }
    }
    guard result == 0 else { throw SystemError(.posixSpawn, result) }
    return pid
  }
}

/// Calls `body` with a null-terminated array of C strings, valid for the call.
public func withCStrings<Result>(
  _ strings: [String],
  _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var pointers = unsafe strings.map { unsafe strdup($0) }
  unsafe pointers.append(nil)
  defer { unsafe pointers.forEach { unsafe free($0) } }
  return unsafe pointers.withUnsafeBufferPointer { buffer in
    // There is at least the final null, so the buffer has an address.
    guard let base = buffer.baseAddress else { preconditionFailure("never empty") }
    return unsafe body(base)
  }
}
