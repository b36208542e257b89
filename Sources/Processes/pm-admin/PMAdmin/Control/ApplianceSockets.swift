internal import PMJSON
internal import PMSystem
internal import PMWire

/// The real core and the real pmctl, over their sockets.
struct ApplianceSockets: Appliance {
  let core: CoreConversation
  let supervisor: SupervisorConversation

  func keys() throws(ControlError) -> [CoreControl.KeyEntry] {
    guard let list = try core.ask(.listKeys)["keys"]?.array else { throw .notUnderstood }
    let entries = list.compactMap { CoreControl.KeyEntry($0) }
    guard entries.count == list.count else { throw .notUnderstood }
    return entries
  }

  func makeKey(_ wish: CoreControl.NewKey) throws(ControlError) -> IssuedKey {
    guard let entry = CoreControl.KeyEntry(try core.ask(.createKey, wish.json)),
      let id = KeyID(entry.id), let secret = entry.secret
    else { throw .notUnderstood }
    return IssuedKey(id: id, secret: secret)
  }

  func revokeKey(_ id: KeyID) throws(ControlError) { _ = try core.ask(.revokeKey(id.text)) }
  func enableKey(_ id: KeyID) throws(ControlError) { _ = try core.ask(.enableKey(id.text)) }
  func deleteKey(_ id: KeyID) throws(ControlError) { _ = try core.ask(.deleteKey(id.text)) }

  func changeKey(_ id: KeyID, _ change: CoreControl.KeyChange) throws(ControlError) {
    _ = try core.ask(.changeKey(id.text), change.json)
  }

  func limits() throws(ControlError) -> CoreControl.LimitSettings {
    guard let limits = CoreControl.LimitSettings(try core.ask(.readSettings)) else {
      throw .notUnderstood
    }
    return limits
  }

  func setLimits(_ limits: CoreControl.LimitSettings) throws(ControlError) {
    var change = CoreControl.LimitChange()
    for setting in CoreControl.Setting.windows {
      change[setting] = limits[setting].map { .set($0) } ?? .keep
    }
    _ = try core.ask(.changeSettings, change.json)
  }

  func prices() throws(ControlError) -> CoreControl.PriceList {
    guard let list = CoreControl.PriceList(try core.ask(.listPrices)) else { throw .notUnderstood }
    return list
  }

  func addPrice(_ price: CoreControl.NewPrice) throws(ControlError) {
    _ = try core.ask(.addPrice, price.json)
  }

  func usage(_ period: Period) throws(ControlError) -> Usage {
    try Usage(try core.ask(.readUsage, query: "?period=\(period.rawValue)"))
  }

  func standing() throws(ControlError) -> Standing { try supervisor.standing() }
  func attestation() throws(ControlError) -> GateRecord { try supervisor.attestation() }
}
