internal import Glibc

/// The descriptors that a supervisor left in this process by the protocol of sd_listen_fds(3).
public struct InheritedDescriptors: Sendable {
  private var numbers: [(name: String, number: Int32)] = []

  /// Entries that are looked at; no supervisor of ours gives more.
  public static let countMax = 16
  private static let first: Int32 = 3

  /// None: a process that runs by hand.
  public init() {}

  /// Takes the list from the environment, if it was meant for this process. All entries become
  /// close-on-exec. Call once, before anything else opens a descriptor.
  public static func fromEnvironment() -> InheritedDescriptors {
    var list = InheritedDescriptors(
      count: Environment.value("LISTEN_FDS"), names: Environment.value("LISTEN_FDNAMES"),
      process: Environment.value("LISTEN_PID"), ownProcess: getpid())
    list.numbers.removeAll { fcntl($0.number, F_SETFD, FD_CLOEXEC) != 0 }
    return list
  }

  init(count: String?, names: String?, process: String?, ownProcess: Int32) {
    guard let process, Int32(process) == ownProcess, let count, let count = Int(count),
      (1...Self.countMax).contains(count)
    else { return }
    let names = (names ?? "").split(separator: ":", omittingEmptySubsequences: false)
    for i in 0..<count {
      let name = i < names.count ? String(names[i]) : "unknown"
      numbers.append((name, Self.first + Int32(i)))
    }
  }

  /// The descriptor of this name, once; nil if there is none or it was taken.
  public mutating func take(_ name: String) -> OwnedDescriptor? {
    guard let index = numbers.firstIndex(where: { $0.name == name }) else { return nil }
    return OwnedDescriptor(result: numbers.remove(at: index).number)
  }

  public var names: [String] { numbers.map(\.name) }
}
