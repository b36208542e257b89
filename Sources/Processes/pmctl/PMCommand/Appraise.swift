internal import PMAttest
internal import PMCrypto
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

/// The appraising role: reads a task from standard input, prints one line with the verdict, exits 0
/// if the evidence is good. It needs no files, no network and no rights; only its word counts.
enum Appraise {
  static func run(_ world: World) -> Int32 {
    guard let input = OwnedDescriptor.standardInput(),
      let bytes = try? FileIO.read(input, bytesMax: AppraisalTask.bytesMax),
      let task = AppraisalTask(bytes), let rules = Rules(task.attestation)
    else { return ExitCode.usage }
    let verifier = Verifier(anchors: world.anchors, at: .now(), rules: rules)
    let appraisal = verifier.verify(
      document: task.document, nonce: task.nonce, key: task.key, occasion: .gate)
    Terminal.line(JSONValue.object(appraisal.json).text)
    return appraisal.verdict == .proven ? ExitCode.done : ExitCode.failed
  }
}

extension Rules {
  /// What the configuration demands; nil if it cannot be understood.
  init?(_ attestation: Attestation) {
    self.init()
    profile = attestation.profile == .strict ? .strict : .baseline
    platform = attestation.platform.map(Platform.init)
    if let texts = attestation.idKeys { idKeys = texts.compactMap { Hex.bytes($0) } }
    expectations.measurements = attestation.measurements.compactMap { Hex.bytes($0) }
    if !attestation.minTCB.isEmpty {
      guard let table = attestation.json["minTCB"]?.object,
        let rows = Floors.rows(json: table)
      else { return nil }
      minTCB = rows
    }
  }

  /// Throws what `pmctl check` should say of a configuration that cannot be understood.
  static func check(_ attestation: Attestation) throws(ConfigurationError) {
    guard Rules(attestation) == nil else { return }
    throw ConfigurationError(
      "attestation.minTCB", .wrongType("rows such as \"Genoa/17/1\": {\"bl\": 10, \"snp\": 23}"))
  }
}
