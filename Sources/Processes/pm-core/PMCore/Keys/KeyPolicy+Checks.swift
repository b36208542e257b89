import PMSystem
import PMWire

extension KeyPolicy {
  func allows(_ route: Route) -> Bool {
    guard let routes, RouteSet.metered.contains(route) else { return true }
    return routes.contains(route)
  }

  /// Who comes from nowhere that is known comes from no network that is allowed.
  func allows(_ address: InternetAddress?) -> Bool {
    guard let networks else { return true }
    return address.map { address in networks.contains { $0.contains(address) } } ?? false
  }

  /// `meaning` is the model that the name stands for; either may be on the list.
  func allows(model name: [UInt8], meaning: @autoclosure () -> String) -> Bool {
    guard let models else { return true }
    let meaning = meaning()
    return models.contains { $0 == meaning || $0.utf8.elementsEqual(name) }
  }
}
