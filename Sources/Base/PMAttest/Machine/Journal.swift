internal import CLinux
internal import Glibc
internal import PMSystem

/// What the journal still has of the kernel's log when the kernel itself has overwritten the start.
enum Journal {
  /// A boot's kernel messages, many times over.
  static let bytesMax = 8 << 20
  /// journalctl searches files of this boot only; a minute of waiting would help nobody.
  static let secondsMax: UInt64 = 10

  private static let program = "/usr/bin/journalctl"
  private static let arguments = [
    program, "-k", "-b", "-o", "json", "--quiet", "--no-pager",
    "--output-fields=MESSAGE,_TRANSPORT,SYSLOG_FACILITY",
  ]

  /// Lines of the journal of this boot; empty if there is no journal.
  static func entries() -> [[UInt8]] {
    lines(of: program, arguments, secondsMax: secondsMax)
  }

  /// What a program writes until it ends, or until it has written or taken too much. A line that
  /// was cut is dropped.
  static func lines(of program: String, _ arguments: [String], secondsMax: UInt64) -> [[UInt8]] {
    guard var pipe = try? DescriptorPair.pipe(), let reader = pipe.first.take() else { return [] }
    var spawn = Spawn(program: program, arguments: arguments, environment: [])
    if let writer = pipe.second.take() {
      guard (try? spawn.giveOutput(writer)) != nil else { return [] }
    }
    guard let pid = try? spawn.start() else { return [] }
    let child = OwnedDescriptor(result: pm_pidfd_open(pid))
    let output = drain(reader, until: Instant.now().adding(seconds: secondsMax))
    if let child { end(child) }
    let whole = output.lastIndex(of: UInt8(ascii: "\n")).map { output[..<$0] } ?? []
    return whole.split(separator: UInt8(ascii: "\n")).map { Array($0) }
  }

  private static func drain(
    _ reader: borrowing OwnedDescriptor, until deadline: Instant
  ) -> [UInt8] {
    var output: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while output.count < bytesMax {
      let number = reader.number
      // The kernel writes at most the length of the piece.
      let count = unsafe piece.withUnsafeMutableBytes {
        unsafe read(number, $0.baseAddress, $0.count)
      }
      let fault = count < 0 ? pm_errno() : 0
      if count > 0 {
        output += piece[0..<count]
      } else if fault == EAGAIN {
        let left = deadline.millisecondsSince(.now())
        guard left > 0 else { break }
        var wish = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&wish, 1, Int32(clamping: left))
      } else if fault != EINTR {
        break
      }
    }
    return output
  }

  /// By descriptor: the supervisor may have waited for the child already, and then its number may
  /// be another's.
  private static func end(_ child: borrowing OwnedDescriptor) {
    _ = pm_pidfd_send_signal(child.number, SIGKILL)
    var news = unsafe siginfo_t()
    _ = unsafe waitid(P_PIDFD, id_t(child.number), &news, WEXITED)
  }
}
