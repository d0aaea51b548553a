package ceremony

import (
	"context"
	"crypto/x509"

	"signet/piv"
)

// A Step is a stage of the work, for progress.
type Step string

// The steps, in their order. A resumed run leaves some out.
const (
	StepPlan     Step = "asking the CA which key it wants"
	StepUnlock   Step = "unlocking the card"
	StepSecure   Step = "replacing the factory's PIN and PUK"
	StepTries    Step = "setting how often a wrong PIN and PUK may be given"
	StepManage   Step = "replacing the factory's management key by a random one"
	StepIdentify Step = "writing CHUID and CCC, by which Windows and macOS know the card"
	StepKeep     Step = "having the CA keep a new PUK, sealed"
	StepTake     Step = "taking the PUK that an officer has released"
	StepReplace  Step = "replacing the PUK, so that the released one ends"
	StepUnblock  Step = "setting the new PIN"
	StepGenerate Step = "generating a key on the card"
	StepAttest   Step = "having the card attest the key"
	StepSign     Step = "signing the request on the card"
	StepSubmit   Step = "handing the request in"
	StepImport   Step = "writing the certificate to the card"
	StepHistory  Step = "noting on the card which retired slots are in use, for programs that look there"
	StepSwap     Step = "putting the new key in the old one's place"
	StepRetire   Step = "moving the old key, which reads what was encrypted to it, to a slot of its own"
	StepReplaced Step = "having the CA revoke the old certificate as superseded"
	StepProve    Step = "proving that card and certificate belong together"
)

// A UI is the person at the card. Its methods are called one at a time; what a
// question fails with ends the ceremony.
type UI interface {
	// Step says what begins now.
	Step(s Step)
	// Note tells something that the person should know.
	Note(text string)
	// Touch is called right before the card waits for a touch.
	Touch()
	// PIN asks for the PIN in force. refused is why the one given before was
	// not taken, nil at first: who has no other returns it.
	PIN(ctx context.Context, tries int, refused error) (string, error)
	// NewPIN and NewPUK ask for what replaces the factory's; the ceremony
	// checks them. refused is as for PIN.
	NewPIN(ctx context.Context, refused error) (string, error)
	NewPUK(ctx context.Context, refused error) (string, error)
	// PUK asks for the PUK in force; tries is 0 where the card doesn't tell how many are
	// left. refused is as for PIN.
	PUK(ctx context.Context, tries int, refused error) (string, error)
	// Replace asks whether what the slots hold may be destroyed: where [Config.Force] says
	// that it may be asked, and for the key of [Renew] where it encrypts. nil is yes.
	Replace(ctx context.Context, all []Occupied) error
}

// Occupied is a slot that holds something.
type Occupied struct {
	Card        piv.Info
	Slot        piv.Slot
	Certificate *x509.Certificate // nil for a key alone, or one that can't be read
	Key         bool              // whether there is a key
	Encrypts    bool              // whether the key may have been encrypted to
	Foreign     bool              // whether the certificate is not the CA's; where it could be asked
	Keep        piv.Slot          // where the key is moved to, instead of being destroyed; 0 for nowhere
}
