package enroll

// codeScheme is the scheme of an Authorization header that holds a code.
const codeScheme = "Signet-Code"
