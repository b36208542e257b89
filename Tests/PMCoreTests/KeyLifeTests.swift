import PMCrypto
import PMSystem
import PMWire
import Seeded
import Testing

@testable import PMCore

struct KeyLifeTests {
  /// A key as the rules say it is.
  private struct Model {
    var id: String
    var secrets: [(text: String, closesAt: WallTime?)]
    var expiresAt: WallTime?
    var isEnabled = true

    func word(_ secret: String, at time: WallTime) -> String {
      guard let held = secrets.first(where: { $0.text == secret }) else { return "unknown" }
      if let end = held.closesAt, end <= time { return "expired \(id)" }
      guard isEnabled else { return "disabled \(id)" }
      return expiresAt.map { $0 <= time } ?? false ? "expired \(id)" : "valid \(id)"
    }
  }

  private let keys: KeyTable
  private let register: KeyRegister

  init() throws {
    keys = KeyTable(digester: try SecretDigester(pepper: [1, 2, 3].span))
    register = KeyRegister(keys: keys, nextRow: 1, retiredRows: [:])
  }

  @Test("Each secret ever made is worth what the rules say, whatever was done and whenever")
  func life() throws {
    var random = SeededRandom(seed: 6)
    var models: [String: Model] = [:]
    var issued: [String] = []
    var time = WallTime(seconds: 1_800_000_000)
    for _ in 0..<2000 {
      time = WallTime(microseconds: time.microseconds + .random(in: 0...40_000_000, using: &random))
      let id = models.keys.sorted().randomElement(using: &random)
      switch (Int.random(in: 0..<10, using: &random), id) {
      case (0, _) where models.count < 8, (_, nil):
        var new = CoreControl.NewKey()
        new.expiresDays = Bool.random(using: &random) ? 1 : nil
        let made = try register.create(new, at: time)
        keys.put(made.details)
        issued.append(made.secret)
        models[made.details.id] = Model(
          id: made.details.id, secrets: [(made.secret, nil)], expiresAt: made.details.expiresAt)
      case (1, let id?): keys.put(try change(&models[id], id, isEnabled: false, at: time))
      case (2, let id?): keys.put(try change(&models[id], id, isEnabled: true, at: time))
      case (3, let id?) where models.count > 4:
        register.retire(try register.details(id))
        keys.remove(id)
        models[id] = nil
      case (_, let id?):
        var rotation = CoreControl.Rotation()
        rotation.overlapSeconds = [0, 30, 90].randomElement(using: &random) ?? 0
        if let secret = try rotate(&models[id], rotation, at: time) { issued.append(secret) }
      }
      for secret in issued.suffix(64) {
        let expected = models.values.map { $0.word(secret, at: time) }.first { $0 != "unknown" }
        #expect(keys.check(Array(secret.utf8).span, at: time).word == expected ?? "unknown")
      }
      for details in keys.allDetails {
        #expect(details.secrets.count <= KeyRegister.liveSecretsMax)
      }
    }
    #expect(keys.count == models.count && issued.count > 200)
  }

  private func change(
    _ model: inout Model?, _ id: String, isEnabled: Bool, at time: WallTime
  ) throws -> KeyDetails {
    model?.isEnabled = isEnabled
    return isEnabled ? try register.enable(id) : try register.revoke(id, at: time)
  }

  /// The new secret; nil if the rules refuse one.
  private func rotate(
    _ model: inout Model?, _ rotation: CoreControl.Rotation, at time: WallTime
  ) throws -> String? {
    guard var key = model else { return nil }
    let live = key.secrets.filter { secret in secret.closesAt.map { time < $0 } ?? true }
    if live.count == 2, rotation.overlapSeconds > 0 {
      #expect(throws: KeyRefusal.overlapUnderWay) {
        try register.rotate(key.id, rotation, at: time)
      }
      return nil
    }
    let (details, secret) = try register.rotate(key.id, rotation, at: time)
    keys.put(details)
    let end = WallTime(microseconds: time.microseconds + rotation.overlapSeconds * 1_000_000)
    let old = rotation.overlapSeconds > 0 ? key.secrets.prefix(1).map { ($0.text, end) } : []
    key.secrets = [(secret, nil)] + old
    key.expiresAt = details.expiresAt
    model = key
    return secret
  }
}
