import java.lang.annotation.Annotation;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.TreeMap;
import org.apache.cassandra.config.Config;

/**
 * Prints the settings of this Cassandra with their former names and converters: the facts behind src/config/keys/*.txt.
 * Cassandra marks former names since 4.0, and says since 4.1 how their values are converted, so both are looked for by name.
 */
public class Settings {
    public static void main(String[] arguments) throws Exception {
        TreeMap<String, String> settings = new TreeMap<>();
        for (Field field : Config.class.getFields()) {
            if (Modifier.isStatic(field.getModifiers()) || Modifier.isTransient(field.getModifiers())) continue;
            StringBuilder former = new StringBuilder();
            for (Annotation mark : field.getAnnotations()) {
                switch (mark.annotationType().getSimpleName()) {
                    case "Replaces":
                        append(former, field, mark);
                        break;
                    case "ReplacesList":
                        for (Object each : (Object[]) part(mark, "value")) append(former, field, each);
                        break;
                    default:
                }
            }
            settings.put(field.getName(), former.toString());
        }
        settings.forEach((name, former) -> System.out.println(name + former));
    }

    private static void append(StringBuilder out, Field field, Object former) throws Exception {
        Object name = part(former, "oldName");
        if (!name.equals(field.getName())) out.append(' ').append(name).append('=').append(converter(former));
    }

    private static Object converter(Object former) throws Exception {
        try {
            return part(former, "converter");
        } catch (NoSuchMethodException renamedOnly) {
            return "IDENTITY";
        }
    }

    private static Object part(Object mark, String name) throws Exception {
        return ((Annotation) mark).annotationType().getMethod(name).invoke(mark);
    }
}
