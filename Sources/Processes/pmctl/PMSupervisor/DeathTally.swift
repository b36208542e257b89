internal import PMJSON
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// Why processes ended, newest last, bounded, kept over a restart of the supervisor.
final class DeathTally {
  private let path: String
  private var records: [Service: [JSONObject]] = [:]

  init(path: String) {
    self.path = path
    load()
  }

  /// Newest first.
  func records(of service: Service) -> [JSONObject] { (records[service] ?? []).reversed() }

  func add(_ death: Death, phase: Phase?, at time: WallTime) {
    var object: JSONObject = [
      "time": .integer(time.seconds), "service": .string(death.service.rawValue),
      "generation": .integer(Int64(death.generation)), "reason": .string(death.reason.text),
      "exit": .string(death.exit.text), "up_ms": .integer(Int64(clamping: death.upMilliseconds)),
      "in_flight": .integer(Int64(death.inFlight)),
    ]
    if let phase { object["phase"] = .string(phase.rawValue) }
    var list = records[death.service] ?? []
    list.append(object)
    if list.count > RuntimeLimits.deathsPerServiceMax { list.removeFirst() }
    records[death.service] = list
    save()
  }

  /// Adds to the newest record how it went on.
  func add(_ recovery: Recovery) {
    guard var last = records[recovery.service]?.popLast() else { return }
    last["next_generation"] = .integer(Int64(recovery.generation))
    last["waited_ms"] = .integer(Int64(clamping: recovery.waitedMilliseconds))
    last["ready_in_ms"] = .integer(Int64(clamping: recovery.startedInMilliseconds))
    records[recovery.service]?.append(last)
    save()
  }

  /// One record is below 400 bytes.
  private static let fileBytesMax = 1 << 20

  private func save() {
    let all = Service.allCases.flatMap { records[$0] ?? [] }.map { JSONValue.object($0) }
    // The tally is a convenience: without a disk there is none.
    try? FileIO.replace(path, with: JSONValue.array(all).utf8, mode: 0o600)
  }

  private func load() {
    guard let bytes = try? FileIO.read(path, bytesMax: Self.fileBytesMax),
      let list = (try? JSONReader.read(bytes))?.array
    else { return }
    for item in list {
      guard let object = item.object, let name = object["service"]?.string,
        let service = Service(rawValue: name)
      else { continue }
      records[service, default: []].append(object)
    }
  }
}

extension Exit {
  var text: String {
    switch self {
    case .code(let code), .slowToHeal(let code): "exit \(code)"
    case .signal(let number): "signal \(number)"
    case .outOfMemory: "out-of-memory"
    case .digestDiffers: "digest"
    }
  }
}
