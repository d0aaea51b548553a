// Package ceremony is all that happens at the card when a person enrolls or
// renews: [Enroll] and [Renew].
//
// A run can end at any moment: the card is pulled out, the server goes away, the
// process is killed. Before each step that can't be undone a [Journal] says what
// is about to happen, so that the next run goes on with the key that is in
// the slot and hands in the CSR that it signed: the server gives the same
// certificate for the same CSR, and nothing is orphaned. A pending journal is
// taken up where the slot's key is the one it tells of; otherwise the run
// starts anew.
//
// Nothing on the card changes before the server has accepted the credentials
// and said which key it wants. The last try of a PIN is never spent.
package ceremony
