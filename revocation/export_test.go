package revocation

import "time"

// Took is how long the last CRLs took to be made and put into force.
func (p *Publisher) Took() time.Duration { return time.Duration(p.took.Load()) }
