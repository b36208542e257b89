/// Routes as bits by their raw values; the ledger stores it so.
public struct RouteSet: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public init(_ routes: some Sequence<Route>) {
    self.init(rawValue: routes.reduce(0) { $0 | 1 << UInt32($1.rawValue) })
  }

  /// What costs money. Lists of models and what a key may know of itself are open to every key.
  public static let metered = RouteSet(Route.allCases.filter(\.isPost))

  public func contains(_ route: Route) -> Bool { rawValue & 1 << UInt32(route.rawValue) != 0 }

  public var words: [String] {
    Route.allCases.filter { contains($0) }.map(\.word.description)
  }

  /// Nil unless it is the word of a metered route.
  public static func metered(word: String) -> Route? {
    Route.allCases.first { metered.contains($0) && $0.word.description == word }
  }
}
