/** 256 writers against PostgreSQL. */
import { againstPostgres } from "../AppendPostgres.ts";

export const row = againstPostgres(256, 12);
