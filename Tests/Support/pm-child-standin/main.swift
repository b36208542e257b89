import ChildStandIn

runChildStandIn()
