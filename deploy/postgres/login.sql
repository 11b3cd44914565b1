-- The login Ringfence works with, and its database. Not a superuser: it makes the services' roles (CREATEROLE) and
-- the tests' databases (CREATEDB). Run once by psql as the superuser; the password comes from the environment.
\set ON_ERROR_STOP on
\getenv password RINGFENCE_POSTGRES_PASSWORD
CREATE ROLE ringfence LOGIN CREATEDB CREATEROLE PASSWORD :'password';
CREATE DATABASE ringfence OWNER ringfence;
