/// Why a change of a key is refused. The words are part of the control interface.
enum KeyRefusal: String, Error {
  case notFound = "key_not_found"
  /// The key's members are edited where it is kept.
  case keptInFile = "kept_in_file"
  case keptInEnvironment = "kept_in_environment"
  /// Adopting what is in the store already.
  case keptInStore = "kept_in_store"
  /// Its own source says that it is off.
  case disabledInFile = "disabled_in_file"
  case alreadyExpired = "already_expired"
  case tooMany = "too_many_keys"
  /// Two secrets live already.
  case overlapUnderWay = "overlap_under_way"

  /// One sentence for people.
  var text: String {
    switch self {
    case .notFound: "There is no such key."
    case .keptInFile: "This key is kept in the keys file: edit it there, or adopt it first."
    case .keptInEnvironment: "This key comes from the environment: change it there, or adopt it."
    case .keptInStore: "This key is kept in the ledger already."
    case .disabledInFile: "The keys file says that this key is off: enable it there."
    case .alreadyExpired: "This key is past its expiry: set another one."
    case .tooMany: "There are as many keys as there may be."
    case .overlapUnderWay:
      "The secret before this one still works: wait until it closes, or rotate without overlap."
    }
  }
}
