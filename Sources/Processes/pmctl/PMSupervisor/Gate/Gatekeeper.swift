public import PMAttest
internal import PMCrypto
internal import PMJSON
internal import PMLog
internal import PMSystem
public import PMWire

/// Runs the gate: does what `GateSequence` says, one step after the other, and keeps what evidence
/// for clients is made of. It holds no key and reads no certificate; other processes do that.
final class Gatekeeper {
  /// What passed: enough to answer clients for the key that it was proved with.
  struct Standing {
    let platform: Platform
    let preparation: Preparation
    let chain: [[UInt8]]
    let document: [UInt8]
    let warnings: [String]
    let at: WallTime
    var key: Digest256 { preparation.key }
  }

  private let devices: DeviceThread
  private let oneShots: OneShots
  private let launcher: Launcher
  private let journal: Journal

  /// Newest last. The one before serves edges that still drain with their older key.
  private var standings: [Standing] = []
  private(set) var trace: GateTrace
  /// What the kernel said of this boot, once it did: it does not change its mind. Each platform
  /// wants another line.
  private var kernelLines: [Platform: String] = [:]

  // One run.
  private var number = 0
  private var sequence = GateSequence(platform: nil, mayFetch: false)
  private var request = Request()
  private var done: (FailureToken?) -> Void = { _ in }

  /// What one run works on.
  private struct Request {
    var file: ConfigurationFile?
    var key: Digest256?
    var preparation: Preparation?
    var chain: [[UInt8]] = []
    var document: [UInt8] = []
  }

  private static let standingsMax = 2

  init(
    _ machine: Machine, _ loop: EventLoop, _ oneShots: OneShots, _ launcher: Launcher,
    _ journal: Journal
  ) throws(SystemError) {
    devices = try DeviceThread(machine, loop)
    (self.oneShots, self.launcher, self.journal) = (oneShots, launcher, journal)
    trace = GateTrace(now: .now(), at: .now())
  }

  /// What passed last; nil before.
  var standing: Standing? { standings.last }

  func standing(for key: Digest256) -> Standing? { standings.last { $0.key == key } }

  /// Runs all steps and tells the verdict once. A run that another overtakes tells nothing.
  func run(_ file: ConfigurationFile, done: @escaping (FailureToken?) -> Void) {
    number += 1
    self.done = done
    request = Request(file: file)
    trace = GateTrace(now: .now(), at: .now())
    let attestation = file.configuration.attestation
    let platform = attestation.platform.map(Platform.init)
    sequence = GateSequence(platform: platform, mayFetch: attestation.collateral == .fetch)
    let line = platform.flatMap { kernelLines[$0] }
    if let line { note(GateSequence.Step.kernelLog.rawValue, nil, line) }
    perform(sequence.begin(knowsKernel: line != nil))
  }

  /// Nothing that passed counts any more.
  func forget() { standings = [] }

  /// Fresh evidence for a client of the edge that has `key`.
  func collect(
    _ nonce: Nonce, for standing: Standing, done: @escaping (DeviceThread.Result) -> Void
  ) {
    devices.ask(.collect(nonce, standing.preparation, standing.platform), done)
  }

  // MARK: Steps

  private func perform(_ effect: GateSequence.Effect) {
    let run = number
    switch effect {
    case .readKernelLog(let platform):
      ask(.kernelLine(platform), run) { [unowned self] in
        kernelLines[platform] = $0
        note($0)
      }
    case .checkDevice(let platform): ask(.device(platform), run) { [unowned self] in note($0) }
    case .prepareKey: prepareKey(run)
    case .prepareEvidence: askCore(run)
    case .lookForChain(let source): look(source, run)
    case .appraise(let found): appraise(found, run)
    case .end(let token): end(token)
    }
  }

  /// Asks a device; what it saw goes to `seen`, a failure ends the run.
  private func ask(
    _ job: DeviceThread.Job, _ run: Int, _ seen: @escaping (String) -> Void
  ) {
    devices.ask(job) { [unowned self] result in
      guard run == number else { return }
      switch result {
      case .seen(let text):
        seen(text)
        perform(sequence.took(nil))
      case .prepared(let preparation):
        request.preparation = preparation
        note("\(preparation.report.count) bytes of report, read \(preparation.attempts) times")
        perform(sequence.took(nil))
      case .failed(let token, let fault):
        if let fault { journal.note(fault.event) }
        fail(token)
      case .collected, .firmwareChanged: fail(.appraiseFailed)
      }
    }
  }

  private func note(_ detail: String) { note(sequence.step.rawValue, nil, detail) }

  private func note(
    _ name: String, _ token: FailureToken?, _ detail: String, state: String? = nil
  ) {
    trace.note(name, token, detail, now: .now(), state: state)
  }

  /// The step under way fails.
  private func fail(_ token: FailureToken) {
    note(sequence.step.rawValue, token, token.explanation)
    perform(sequence.took(token))
  }

  private func prepareKey(_ run: Int) {
    guard let configuration = request.file?.configuration else { return fail(.configPlatform) }
    do throws(SystemError) {
      try FileIO.makeFolder(
        configuration.edgeKeyDirectory, mode: 0o700,
        owner: Credentials.owner(.edgeKey, configuration.profile))
    } catch { return fail(.edgeKey) }
    let task = OneShot(
      role: .edgeKey, program: .edge, arguments: [EdgeArgument.prepareKey],
      configuration: configuration.part(for: .edgeKey).utf8,
      secondsMax: RuntimeLimits.keySecondsMax, outputBytesMax: RuntimeLimits.keyOutputBytesMax)
    oneShots.run(task, configuration) { [unowned self] end in
      guard run == number else { return }
      // A process that could not be started says nothing of the key.
      if end.code == ExitCode.transient { return fail(.appraiseFailed) }
      let text = String(decoding: end.result ?? [], as: UTF8.self)
      guard text.hasSuffix("\n"), let key = Digest256(hex: String(text.dropLast())) else {
        return fail(.edgeKey)
      }
      request.key = key
      note("SHA-256 of its public half: \(key.hex)")
      perform(sequence.took(nil))
    }
  }

  /// What core has to say goes into the claims; without a word of it they are good all the same.
  private func askCore(_ run: Int) {
    guard let configuration = request.file?.configuration else { return fail(.configPlatform) }
    let task = OneShot(
      role: .coreDescription, program: .core, arguments: [CoreArgument.describe.rawValue],
      configuration: configuration.part(for: .coreDescription).utf8,
      secondsMax: RuntimeLimits.descriptionSecondsMax,
      outputBytesMax: RuntimeLimits.descriptionBytesMax)
    oneShots.run(task, configuration) { [unowned self] end in
      guard run == number else { return }
      let object = end.result.flatMap { try? JSONReader.read($0) }?.object
      let accounts = object.flatMap(AccountClaims.init)
      note(
        "accounts", nil, accounts.map { "key of receipts: \($0.receiptKey.hex)" } ?? "",
        state: accounts == nil ? "SKIP" : nil)
      prepareEvidence(accounts, run)
    }
  }

  private func prepareEvidence(_ accounts: AccountClaims?, _ run: Int) {
    guard let file = request.file, let platform = file.configuration.attestation.platform,
      let key = request.key, let claims = claims(file, Platform(platform), accounts)
    else { return fail(.appraiseFailed) }
    ask(.prepare(Platform(platform), key: key, claims: claims.bytes), run) { _ in }
  }

  private func claims(
    _ file: ConfigurationFile, _ platform: Platform, _ accounts: AccountClaims?
  ) -> Claims? {
    guard let binaries = launcher.digests(), let boot = OwnProcess.bootID else { return nil }
    var vendor: [String: Digest256] = [:]
    if let pin = file.configuration.vendor.sha256.flatMap(Digest256.init(hex:)) {
      vendor[Role.vendor.rawValue] = pin
    }
    return Claims(
      Claims.Statement(
        version: ApplianceVersion.text, platform: platform,
        host: file.configuration.publicName ?? "", bootID: boot,
        keyOrigin: file.configuration.tls.key == nil ? .generated : .provided,
        binaries: binaries, vendor: vendor, configuration: file.digest, accounts: accounts))
  }

  // MARK: Chain and appraisal

  private func look(_ source: GateSequence.ChainSource, _ run: Int) {
    guard let preparation = request.preparation, let configuration = request.file?.configuration
    else { return fail(.appraiseFailed) }
    if source == .table { return takeTable(preparation) }
    guard let question = CollateralQuestion(preparation.report, source) else {
      return perform(sequence.found(FoundCertificates()))
    }
    let folder = "\(configuration.stateDirectory)/\(Self.cacheFolder)"
    let owner = Credentials.owner(.collateral, configuration.profile)
    do throws(SystemError) {
      try FileIO.makeFolder(folder, mode: 0o700, owner: owner)
    } catch { return fail(.collateralMissing) }
    let task = OneShot(
      role: .collateral, arguments: question.arguments(folder: folder),
      secondsMax: RuntimeLimits.collateralSecondsMax,
      outputBytesMax: FoundCertificates.linesBytesMax)
    oneShots.run(task, configuration) { [unowned self] end in
      guard run == number else { return }
      let found = end.result.flatMap(FoundCertificates.init(lines:)) ?? FoundCertificates()
      note(
        "\(sequence.step.rawValue) from \(source.rawValue)", nil, found.summary,
        state: found.isEmpty ? "SKIP" : nil)
      perform(sequence.found(found))
    }
  }

  private static let cacheFolder = "attest"

  private func takeTable(_ preparation: Preparation) {
    do throws(FailureToken) {
      let table = try CertificateTable(preparation.certificates)
      let found = FoundCertificates(table)
      note("chain from table", nil, found.summary, state: found.vek == nil ? "SKIP" : nil)
      perform(sequence.found(found))
    } catch {
      note("chain from table", error, error.explanation)
      perform(.end(error))
    }
  }

  private func appraise(_ found: FoundCertificates, _ run: Int) {
    guard let preparation = request.preparation, let chain = found.chain,
      let configuration = request.file?.configuration
    else { return fail(.appraiseFailed) }
    let document = EvidenceDocument(
      nonce: preparation.nonce, claims: preparation.claims, key: preparation.key, chain: chain,
      body: preparation.evidence
    ).json
    (request.chain, request.document) = (chain, document)
    let input = AppraisalTask(
      nonce: preparation.nonce, key: preparation.key, attestation: configuration.attestation,
      document: document)
    let task = OneShot(
      role: .appraiser, arguments: ["appraise"], input: input.bytes,
      secondsMax: RuntimeLimits.appraiseSecondsMax,
      outputBytesMax: RuntimeLimits.verdictBytesMax)
    oneShots.run(task, configuration) { [unowned self] end in
      guard run == number else { return }
      guard let verdict = AppraisalVerdict(end) else { return fail(.appraiseFailed) }
      for factor in verdict.factors {
        note(factor.name, factor.token, factor.detail, state: factor.state)
      }
      if verdict.token == nil { keep(verdict.warnings) }
      perform(sequence.appraised(verdict.token))
    }
  }

  private func keep(_ warnings: [String]) {
    guard let preparation = request.preparation,
      let platform = request.file?.configuration.attestation.platform
    else { return }
    standings.removeAll { $0.key == preparation.key }
    standings.append(
      Standing(
        platform: Platform(platform), preparation: preparation, chain: request.chain,
        document: request.document, warnings: warnings, at: trace.at))
    if standings.count > Self.standingsMax { standings.removeFirst() }
  }

  private func end(_ token: FailureToken?) {
    let tell = done
    done = { _ in }
    tell(token)
  }
}

extension Platform {
  public init(_ platform: Attestation.Platform) {
    switch platform {
    case .snp: self = .snp
    case .azure: self = .azure
    }
  }
}

extension DeviceFault {
  fileprivate var event: SupervisorEvent {
    switch self {
    case .call(let number, let firmware, let host):
      .deviceFault(errno: number, firmware: firmware, host: host)
    case .tpm(let code): .tpmFault(code: code)
    }
  }
}
