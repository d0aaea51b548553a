-- Two groups: pg_hba.conf says how their members get in.
CREATE ROLE cards     NOLOGIN;
CREATE ROLE passwords NOLOGIN;

-- Somebody with a card, by the account's name at the CA, and somebody without.
-- Passwords are set with \password, which sends only their hash.
CREATE ROLE alice LOGIN IN ROLE cards;
CREATE ROLE bob   LOGIN IN ROLE passwords;
