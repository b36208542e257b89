import Glibc

/// The control socket: one JSON object per line, one line in reply. The README has the verbs.
struct Control: Sendable {
  /// A rule with a large body fits; nothing sent here is longer.
  private static let lineBytesMax = 16 * 1024 * 1024

  let standIn: StandIn

  func run(on socket: Int32) -> Never {
    while true {
      guard let connection = Sockets.accept(on: socket) else {
        Clock.sleep(milliseconds: 10)
        continue
      }
      if !Threads.start({ serve(connection) }) { close(connection) }
    }
  }

  private func serve(_ connection: Int32) {
    let wire = Wire(socket: connection, session: nil)
    var buffer: Bytes = []
    while buffer.count < Self.lineBytesMax, wire.read(into: &buffer) {
      while let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        let line = Bytes(buffer[..<end])
        buffer.removeFirst(end + 1)
        guard wire.write(reply(to: line, wire).rendered() + Bytes("\n")) else { return }
      }
    }
  }

  private func reply(to line: Bytes, _ wire: Wire) -> JSON {
    do throws(FieldFault) {
      guard let request = try? JSONReader.read(line) else { throw .notJSON }
      return try answer(request, wire)
    } catch {
      return ["ok": false, "error": .text(error.text)]
    }
  }

  private func answer(_ request: JSON, _ wire: Wire) throws(FieldFault) -> JSON {
    guard let verb = request.member("verb") else { throw .badValue(Bytes("verb")) }
    switch try verb.text().text {
    case "rule":
      guard let rule = request["rule"] else { throw .badValue(Bytes("rule")) }
      standIn.rules.add(try Rule(rule))
    case "clear": standIn.rules.clear()
    case "forget":
      standIn.recorder.forget()
      standIn.cache.empty()
    case "event":
      guard let name = request.member("name") else { throw .badValue(Bytes("name")) }
      guard let event = LifeEvent(rawValue: try name.text().text) else { throw name.fault }
      standIn.keeper.happen(event)
    case "records":
      return standIn.recorder.records(
        path: try request.member("path")?.text(), model: try request.member("model")?.text())
    case "totals": return standIn.recorder.totals()
    case "state": return standIn.state
    case "die": try die(request, wire)
    default: throw verb.fault
    }
    return ["ok": true]
  }

  /// Replies first: the caller shall not wait for a process that is gone.
  private func die(_ request: JSON, _ wire: Wire) throws(FieldFault) {
    let members = request.members.filter { !$0.name.isEqual(to: "verb") }
    let death = try Fault.death(JSON.Member(name: Bytes("die"), value: .object(members))).0
    _ = wire.write(Bytes("{\"ok\":true}\n"))
    StandIn.die(death)
  }
}
