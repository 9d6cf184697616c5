/** 1,024 writers against PostgreSQL. */
import { againstPostgres } from "../AppendPostgres.ts";

export const row = againstPostgres(1_024, 4);
