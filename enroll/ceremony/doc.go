// Package ceremony is all that happens at the card when a person enrolls or
// renews: [Enroll] and [Renew]. A profile may have companions: then a run is over several
// keys in as many slots, which are certified in one request, all or none.
//
// A run can end at any moment: the card is pulled out, the server goes away, the
// process is killed. Before each step that can't be undone a [Journal] says what
// is about to happen, so that the next run goes on with the keys that are in
// the slots and hands in the CSRs that they signed: the server gives the same
// certificates for the same CSRs, and nothing is orphaned. A pending journal is
// taken up where the slots' keys are those it tells of; otherwise the run
// starts anew. No certificate is written to the card before all are issued.
//
// Nothing on the card changes before the server has accepted the credentials
// and said which key it wants. The last try of a PIN is never spent.
package ceremony
