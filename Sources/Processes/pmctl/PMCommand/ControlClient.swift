internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

/// Asks the supervisor over its socket, one request at a time.
struct ControlClient: ~Copyable {
  private let socket: OwnedDescriptor
  private var buffer = ByteBuffer()

  /// Between two lines of an answer; an order has its own deadline beside this.
  private static let silenceSecondsMax = 660

  /// Nil if nobody answers.
  init?(_ input: CommandInput) {
    let path = "\(Self.runtimeDirectory(input))/\(SocketName.supervisor)"
    do throws(SystemError) {
      socket = try UnixSocket.connectBlocking(path: path, seconds: Self.silenceSecondsMax)
    } catch {
      return nil
    }
  }

  /// Where the sockets are. Without a readable configuration: where they are by default.
  static func runtimeDirectory(_ input: CommandInput) -> String {
    let path = input[Command.configurationOption] ?? ConfigurationFile.defaultPath
    return (try? ConfigurationFile(path))?.configuration.runtimeDirectory
      ?? Configuration().runtimeDirectory
  }

  /// Sends a request, gives each line before the last to `onLine`, and returns the outcome; nil if
  /// the connection ended before.
  mutating func ask(
    _ request: ControlRequest, _ onLine: (JSONValue) -> Bool = { _ in true }
  ) -> ControlOutcome? {
    guard (try? FileIO.write(Array((request.line + "\n").utf8), to: socket)) != nil else {
      return nil
    }
    while let line = nextLine() {
      guard let reply = try? JSONReader.read(line) else { return nil }
      if let outcome = ControlOutcome(reply) { return outcome }
      if !onLine(reply) { return ControlOutcome(.done) }
    }
    return nil
  }

  private mutating func nextLine() -> [UInt8]? {
    while true {
      let bytes = Array(copying: buffer.span)
      if let end = bytes.firstIndex(of: 0x0A) {
        buffer.consume(end + 1)
        return Array(bytes[..<end])
      }
      guard buffer.count < ControlLimits.outputBytesMax,
        case .bytes = receive(socket, into: &buffer, upTo: ControlLimits.lineBytesMax)
      else { return nil }
    }
  }
}
