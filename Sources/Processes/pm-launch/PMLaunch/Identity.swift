internal import CLinux
internal import Glibc
internal import PMSystem
internal import PMWire

/// Becomes the user of a role for good. The order matters: the bounding set needs a capability
/// that the uid takes away, groups need one too, and gid must go before uid.
func giveUpIdentity(_ role: Role) throws(LaunchError) {
  guard let account = Account(named: role.account), account.uid != 0, account.gid != 0 else {
    throw LaunchError(.account, ENOENT)
  }
  try emptyBoundingSet()
  guard pm_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0) == 0 else {
    throw .last(.capabilities)
  }
  guard setgroups(0, nil) == 0 else { throw .last(.groups) }
  guard pm_setresgid(account.gid, account.gid, account.gid) == 0 else { throw .last(.ids) }
  guard pm_setresuid(account.uid, account.uid, account.uid) == 0 else { throw .last(.ids) }
  try emptyCapabilities()
  // Proof instead of belief.
  guard pm_setresuid(0, 0, 0) != 0, getuid() == account.uid, getgid() == account.gid,
    getgroups(0, nil) == 0
  else { throw LaunchError(.ids, EPERM) }
}

/// Capabilities that this program knows nothing of are dropped as well: it goes on until the kernel
/// says that there are no more (capabilities(7)).
private func emptyBoundingSet() throws(LaunchError) {
  let capabilitiesMax: UInt = 64
  for capability in 0..<capabilitiesMax where pm_prctl(PR_CAPBSET_DROP, capability, 0) != 0 {
    if pm_errno() == EINVAL { return }
    throw .last(.capabilities)
  }
}

private func emptyCapabilities() throws(LaunchError) {
  var header = __user_cap_header_struct(version: UInt32(_LINUX_CAPABILITY_VERSION_3), pid: 0)
  // Version 3 has two of these; both are zero: effective, permitted, inheritable.
  var data = (__user_cap_data_struct(), __user_cap_data_struct())
  guard unsafe pm_capset(&header, &data) == 0 else { throw .last(.capabilities) }
}
