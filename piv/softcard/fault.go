package softcard

import "time"

// Action is what a Fault does.
type Action string

// The actions of a Fault.
const (
	Pause        Action = ""              // nothing but the Delay
	Fail         Action = "fail"          // answer SW without executing
	UnplugBefore Action = "unplug-before" // pull the card out before executing
	UnplugAfter  Action = "unplug-after"  // execute, then pull it out before the answer
)

// Fault is something that befalls an APDU. APDUs are counted as they come over
// the wire: each part of a chain and each GET RESPONSE is one.
type Fault struct {
	INS    byte          `json:"ins,omitempty"` // of this instruction; 0 means any
	Nth    int           `json:"nth,omitempty"` // the how-manieth from now; 0 means the next
	Do     Action        `json:"do,omitempty"`
	SW     uint16        `json:"sw,omitempty"`    // for Fail
	Delay  time.Duration `json:"delay,omitempty"` // waits so long before Do
	Repeat bool          `json:"repeat,omitempty"`
}

// Inject arms a fault. Several can be armed; the first whose turn it is acts.
func (c *Card) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &f)
}

// ClearFaults disarms what has not happened yet.
func (c *Card) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// nextFault counts an APDU for every armed fault and gives the one that is
// due. The caller holds c.mu.
func (c *Card) nextFault(ins byte) Fault {
	var due Fault
	var found bool
	left := c.faults[:0]
	for _, f := range c.faults {
		if f.INS == 0 || f.INS == ins {
			f.Nth--
		}
		hit := !found && f.Nth <= 0 && (f.INS == 0 || f.INS == ins)
		if hit {
			due, found = *f, true
		}
		if !hit || f.Repeat {
			left = append(left, f)
		}
	}
	c.faults = left
	return due
}
